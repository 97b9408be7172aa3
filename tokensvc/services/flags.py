"""Owns FlagSubject and UnflagSubject: what an operator or a risk engine says of a subject."""

from tokensvc.domain import bounds
from tokensvc.domain.client import Permission
from tokensvc.domain.errors import invalid
from tokensvc.domain.flags import flag_subject, unflag_subject
from tokensvc.domain.revocation import OWN_REASON
from tokensvc.domain.revoke import Revocation
from tokensvc.ports import Clock, Store, Unit
from tokensvc.services.call import Call


class Flags:
    """The use cases of marks on subjects."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def flag(self, call: Call, subject: str, reason: str, until: int | None) -> int:
        """Mark a subject as at risk until a moment (milliseconds), or until further notice; answer the revision."""
        order = self._order(call, subject, reason)
        if until is not None and until <= order.now:
            raise invalid("expires_at", "expires_at is not in the future")
        effects = flag_subject(order, subject, until)
        return (await self._store.commit(Unit(lambda _rows: effects))).revision

    async def unflag(self, call: Call, subject: str, reason: str) -> int:
        """Take the mark away; answer the revision."""
        effects = unflag_subject(self._order(call, subject, reason), subject)
        return (await self._store.commit(Unit(lambda _rows: effects))).revision

    def _order(self, call: Call, subject: str, reason: str) -> Revocation:
        call.require(Permission.ADMIN)
        bounds.text(subject, "subject", required=True)
        if bounds.text(reason, "reason").startswith(OWN_REASON):
            raise invalid("reason", "reason begins with words that are this service's own")
        return Revocation(call.caller, self._clock(), reason)
