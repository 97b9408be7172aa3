"""Owns the administration of keys: listing, rotating and revoking them, and doing in time what time asks for."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from tokensvc.domain import bounds
from tokensvc.domain.client import Permission
from tokensvc.domain.effects import Effects, Refused
from tokensvc.domain.errors import Reason, RefusedError, invalid
from tokensvc.domain.key_changes import NO_SUCH_KEY, Rotation, is_due, revoke, rewrap, rotate, settle
from tokensvc.domain.keys import KeyPurpose, KeyState, RootKeyError, StoredKey, of_purpose, state_of, used_at
from tokensvc.domain.policy import SECOND
from tokensvc.domain.value import value
from tokensvc.ports import Clock, KeyMaker, Rows, Store, Unit
from tokensvc.services.call import Call
from tokensvc.services.clients import OPERATOR
from tokensvc.services.retention import Lease

_ATTEMPTS = 3

_log = structlog.get_logger(__name__)


@value(frozen=True, slots=True)
class Schedule:
    """When keys follow each other, in milliseconds: `lead` from making one to using it, and how long one is used.

    With an interval of zero a key is used until somebody rotates it.
    """

    lead: int
    signing_interval: int
    mac_interval: int

    def interval(self, purpose: KeyPurpose) -> int:
        """How long a key of `purpose` is used."""
        return self.signing_interval if purpose is KeyPurpose.SIGNING else self.mac_interval


class KeyAdministration:
    """The use cases of KeyService for administrators, and the duty that follows the schedule."""

    def __init__(self, store: Store, maker: KeyMaker, clock: Clock, schedule: Schedule) -> None:
        self._store = store
        self._maker = maker
        self._clock = clock
        self._schedule = schedule

    async def look(self) -> None:
        """See to it that the keys in use are at most a second old, if the database answers."""
        with suppress(RefusedError):
            await self._store.view(max_staleness=SECOND)

    def list_keys(self, call: Call) -> Sequence[tuple[StoredKey, KeyState]]:
        """All keys, the newest first, and where each is in its life."""
        call.require(Permission.ADMIN)
        keys, now = call.view.keys, self._clock()
        newest_first = sorted(keys, key=lambda key: (key.created_at, key.key_id), reverse=True)
        return [(key, state_of(key, keys, now)) for key in newest_first]

    async def rotate(
        self, call: Call, purpose: KeyPurpose, algorithm: str, *, immediately: bool
    ) -> tuple[StoredKey, KeyState]:
        """Prepare the next key of `purpose`, by `algorithm` or that of the present one; answer it."""
        call.require(Permission.ADMIN)
        if algorithm and (purpose is not KeyPurpose.SIGNING or algorithm not in self._maker.algorithms):
            raise invalid("algorithm", "algorithm is not one that keys of this purpose can have")
        key = await self._rotate(purpose, algorithm, call.caller.client_id, 0 if immediately else self._schedule.lead)
        return key, state_of(key, (key,), self._clock())

    async def revoke(self, call: Call, key_id: str, purpose: KeyPurpose, reason: str) -> int:
        """End a key at once, with everything that it has signed; answer the revision of the log that did."""
        call.require(Permission.ADMIN)
        bounds.text(key_id, "key_id", required=True)
        bounds.reason(reason)
        for _ in range(_ATTEMPTS):
            keys = (await self._store.view()).keys
            if all((key.purpose, key.key_id) != (purpose, key_id) for key in keys):
                raise NO_SUCH_KEY.error()
            successor = await self._new(purpose, "", keys, call.caller.client_id, lead=0)

            def decide(rows: Rows, successor: Rotation = successor) -> Effects[StoredKey | Refused | None]:
                return revoke(key_id, successor, reason, rows.keys())

            committed = await self._store.commit(Unit(decide, keys=True))
            if isinstance(committed.outcome, Refused):
                raise committed.outcome.error()
            if committed.outcome:
                await self._store.view(min_revision=committed.revision)  # what is answered has ended here
                return committed.revision
        raise _busy()

    async def run(self, holder: str, interval: float) -> None:
        """Do what is due every `interval` seconds until cancelled, on the one node that holds the lease."""
        lease = Lease(self._store, self._clock, "keys", holder, round(2 * interval * SECOND))

        async def keep() -> None:
            if await lease.hold():
                await self.keep()

        await lease.serve(keep, interval)

    async def keep(self) -> None:
        """Do what is due: note until when keys verify, end those whose time is over, and prepare the next ones."""
        now, schedule = self._clock(), self._schedule
        keys = (await self._store.view()).keys
        if settle(keys, now).keys:
            await self._store.commit(Unit(lambda rows: settle(rows.keys(), now), keys=True))
        for purpose in KeyPurpose:
            if used_at(of_purpose(keys, purpose), now) is None:
                await self._rotate(purpose, "", OPERATOR.client_id, lead=0)
            elif (interval := schedule.interval(purpose)) and is_due(keys, purpose, now, interval, schedule.lead):
                await self._rotate(purpose, "", OPERATOR.client_id, schedule.lead)

    async def rewrap(self) -> int:
        """Wrap all keys under the present root key, so that others are needed no more; answer how many were not."""
        pairs = ((key, self._maker.rewrapped(key)) for key in await self._store.keys() if key.wrapped)
        anew = {before: after for before, after in pairs if after != before}
        now = self._clock()
        return (await self._store.commit(Unit(lambda rows: rewrap(anew, rows.keys(), now), keys=True))).outcome

    async def _rotate(self, purpose: KeyPurpose, algorithm: str, caller: str, lead: int) -> StoredKey:
        for _ in range(_ATTEMPTS):
            rotation = await self._new(purpose, algorithm, (await self._store.view()).keys, caller, lead)

            def decide(rows: Rows, rotation: Rotation = rotation) -> Effects[StoredKey | None]:
                return rotate(rotation, rows.keys())

            committed = await self._store.commit(Unit(decide, keys=True))
            if committed.outcome:
                await self._store.view(min_revision=committed.revision)  # what is answered is in use here
                return committed.outcome
        raise _busy()

    async def _new(
        self, purpose: KeyPurpose, algorithm: str, keys: Sequence[StoredKey], caller: str, lead: int
    ) -> Rotation:
        # In threads: primes take a while to find, and who wraps may have to be waited for.
        try:
            if purpose is KeyPurpose.SIGNING:
                newest = of_purpose(keys, purpose)[-1]
                key = await asyncio.to_thread(self._maker.signing_key, algorithm or newest.algorithm)
            else:
                taken = {key.key_id for key in keys if key.purpose is purpose and key.wrapped}
                key = await asyncio.to_thread(self._maker.mac_key, purpose, taken)
        except RootKeyError as error:
            _log.error("a new key cannot be wrapped", purpose=purpose.value, error=str(error))
            raise RefusedError(Reason.STORE_UNAVAILABLE, "new keys cannot be wrapped at present") from error
        now = self._clock()
        return Rotation(replace(key, created_at=now, activates_at=now + lead), now, caller)


def _busy() -> RefusedError:
    return RefusedError(Reason.STORE_UNAVAILABLE, "other nodes make keys at the same time")


def complain(key: StoredKey, error: Exception) -> None:
    """Log that a stored key cannot be used here."""
    _log.error("a key cannot be used", purpose=key.purpose.value, key_id=key.key_id, error=str(error))
