"""Owns FlagSubject and UnflagSubject: what an operator or a risk engine says of a subject."""

from tokensvc.domain import bounds
from tokensvc.domain.client import Permission
from tokensvc.domain.effects import Effects
from tokensvc.domain.errors import invalid
from tokensvc.domain.flags import Marking, flag_subject, unflag_subject
from tokensvc.ports import Clock, Store, Unit
from tokensvc.services.call import Call


class Flags:
    """The use cases of marks on subjects."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def flag(self, call: Call, subject: str, reason: str, until: int | None) -> int:
        """Mark a subject as at risk until a moment (milliseconds), or until further notice; answer the revision."""
        marking = self._marking(call, subject, reason)
        if until is not None and until <= marking.now:
            raise invalid("expires_at", "expires_at is not in the future")
        return await self._write(flag_subject(marking, until))

    async def unflag(self, call: Call, subject: str, reason: str) -> int:
        """Take the mark away; answer the revision. Of a subject without one nothing is written."""
        marking = self._marking(call, subject, reason)
        return await self._write(unflag_subject(marking)) if subject in call.view.flags else call.revision

    async def _write(self, effects: Effects[None]) -> int:
        return (await self._store.commit(Unit(lambda _rows: effects))).revision

    def _marking(self, call: Call, subject: str, reason: str) -> Marking:
        call.require(Permission.ADMIN)
        bounds.text(subject, "subject", required=True)
        bounds.reason(reason)
        return Marking(call.caller, self._clock(), reason, subject, call.view.flag_expiries.get(subject, 0))
