"""Owns recording refused calls in the audit trail: counted in memory, written a few at a time, never waited for."""

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from tokensvc.domain.effects import AuditEvent, Effects
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import SECOND
from tokensvc.domain.session import Grant
from tokensvc.ports import Clock, RefreshTokens, Store, Unit
from tokensvc.services.refusal_bursts import RefusalBursts

RECORDED: Final = frozenset(
    {
        Reason.CALLER_UNAUTHENTICATED,
        Reason.CALLER_NOT_PERMITTED,
        Reason.CLIENT_MISMATCH,
        Reason.CLIENT_DISABLED,
        Reason.REFRESH_TOKEN_INVALID,
        Reason.REFRESH_TOKEN_EXPIRED,
        Reason.REFRESH_TOKEN_REVOKED,
        Reason.REFRESH_TOKEN_REUSED,
        Reason.BINDING_MISMATCH,
        Reason.CREDENTIAL_CHANGED,
        Reason.SUBJECT_TOKEN_INVALID,
    }
)
"""What is about callers, permissions and tokens."""

MOST_A_FLUSH: Final = 20
A_SECOND: Final = 10  # events, on average over a long time
_SAVED: Final = 600  # events that may be written faster than that after a quiet time
_MOST_KINDS: Final = 1000
INTERVAL: Final = 1.0  # seconds
_FINGERPRINT: Final = 8  # hexadecimal digits of SHA-256

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was refused: `caller` is who was recognised, the rest is what it named; empty where nothing was.

    `peer` is where the connection came from, for a caller that was not recognised.
    """

    reason: Reason
    method: str
    caller: str = ""
    client_id: str = ""
    subject: str = ""
    ip: str = ""
    peer: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What refusals have in common that are counted together."""

    reason: Reason
    caller: str
    client_id: str
    subject: str
    session_id: str


@dataclass(slots=True)
class _Tally:
    """How often it happened, since when, and the details of the first time; `fresh` were not looked at for bursts."""

    at: int
    ip: str
    details: dict[str, str | int]
    count: int = 1
    fresh: int = 1

    def add(self, count: int, fresh: int) -> None:
        """Count more of the same."""
        self.count += count
        self.fresh += fresh


_Tallies = dict[_Kind, _Tally]


class Refusals:
    """Records refusals. What is too much for the trail is counted by reason; what cannot be written is kept for later.

    Of a genuine refresh token the session is looked up before its refusal is written, so that subject and client are
    known; a forged one never leads to a look at the database.
    """

    def __init__(
        self, store: Store, refresh_tokens: RefreshTokens, clock: Clock, *, interval: float = INTERVAL
    ) -> None:
        self._store = store
        self._refresh_tokens = refresh_tokens
        self._clock = clock
        self._interval = interval
        self._tallies: _Tallies = {}
        self._dropped: Counter[str] = Counter()
        self._bursts = RefusalBursts()
        self._suspicions: list[AuditEvent] = []
        self._budget = float(_SAVED)
        self._saved_at = clock()
        self._one_at_a_time = asyncio.Lock()

    def note(self, refusal: Refusal) -> None:
        """Count `refusal`, if it is of a kind that is recorded."""
        if refusal.reason not in RECORDED:
            return
        kind = self._kind(refusal)
        if kind in self._tallies:
            self._tallies[kind].add(1, 1)
        elif len(self._tallies) < _MOST_KINDS:
            self._tallies[kind] = _Tally(self._clock(), refusal.ip, _details(refusal))
        else:
            self._dropped[refusal.reason.value] += 1

    def _kind(self, refusal: Refusal) -> _Kind:
        kind = _Kind(refusal.reason, refusal.caller, refusal.client_id, refusal.subject, session_id="")
        token = self._refresh_tokens.open(refusal.token) if refusal.token else None
        if token is None:
            return kind
        kind = replace(kind, session_id=token.session_id)
        return kind if token.session is None else _of_session(kind, token.session.grant)

    async def run(self) -> None:
        """Write what was counted, every second, until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            await asyncio.shield(self.flush())  # broken off, it would not be known what was written

    async def flush(self) -> None:
        """Write what was counted, as much as may be; whatever goes wrong, what was not written is kept."""
        async with self._one_at_a_time:
            if not (self._tallies or self._dropped or self._suspicions):
                return
            try:
                await self._find_sessions()
                self._suspect()
                await self._write()
            except RefusedError:
                pass  # the store has logged the outage
            except Exception as error:  # noqa: BLE001 - nobody else would hear of a defect, and serving goes on
                _log.error("refusals were not recorded", exc_info=error)

    async def _find_sessions(self) -> None:
        """Put subject and client into the kinds that have a session."""
        wanted = {kind.session_id for kind in self._tallies if kind.session_id and not kind.subject}
        rows = await self._store.sessions_by_id(wanted) if wanted else {}
        for kind in [kind for kind in self._tallies if kind.session_id in rows]:
            tally = self._tallies.pop(kind)
            self._keep(_of_session(kind, rows[kind.session_id].session.grant), tally)

    def _suspect(self) -> None:
        now = self._clock()
        for kind, tally in self._tallies.items():
            found = [self._bursts.of_client(name, tally.fresh, now) for name in {kind.caller, kind.client_id} - {""}]
            if kind.subject:
                found.append(self._bursts.of_subject(kind.subject, tally.fresh, now))
            self._suspicions += [event for event in found if event]
            tally.fresh = 0
        del self._suspicions[_MOST_KINDS:]

    async def _write(self) -> None:
        """Write suspicions, up to half, and what happened most; of what there is no room for, the counts by reason."""
        room = self._room()
        if not room:
            return
        tallies, self._tallies = self._tallies, {}
        dropped, self._dropped = self._dropped, Counter()
        if len(self._suspicions) + len(tallies) + bool(dropped) > room:
            room -= 1  # for the counts
        suspicions = self._suspicions[: (room + 1) // 2]
        by_count = sorted(tallies, key=lambda kind: tallies[kind].count, reverse=True)
        written = by_count[: room - len(suspicions)]
        total = dropped.copy()
        for kind in by_count[len(written) :]:
            total[kind.reason.value] += tallies[kind].count
        events = [*suspicions, *(_event(kind, tallies[kind]) for kind in written)]
        if total:
            events.append(AuditEvent("refusals.dropped", at=self._clock(), details=dict(sorted(total.items()))))
        try:
            await self._store.commit(Unit(lambda _rows: Effects(None, audit=tuple(events))))
        except BaseException:
            self._dropped += dropped
            for kind, tally in tallies.items():
                self._keep(kind, tally)
            raise
        self._budget -= len(events)
        del self._suspicions[: len(suspicions)]

    def _keep(self, kind: _Kind, tally: _Tally) -> None:
        if kind in self._tallies:
            self._tallies[kind].add(tally.count, tally.fresh)
        elif len(self._tallies) < _MOST_KINDS:
            self._tallies[kind] = tally
        else:
            self._dropped[kind.reason.value] += tally.count

    def _room(self) -> int:
        """How many events may be written now."""
        now = self._clock()
        self._budget = min(_SAVED, self._budget + max(0, now - self._saved_at) / SECOND * A_SECOND)
        self._saved_at = now
        return min(MOST_A_FLUSH, int(self._budget))


def _of_session(kind: _Kind, grant: Grant) -> _Kind:
    return replace(kind, client_id=grant.client_id, subject=grant.subject)


def _event(kind: _Kind, tally: _Tally) -> AuditEvent:
    return AuditEvent(
        "refused",
        at=tally.at,
        caller=kind.caller,
        client_id=kind.client_id,
        subject=kind.subject,
        session_id=kind.session_id,
        reason=kind.reason.value,
        ip=tally.ip,
        details={**tally.details, "count": tally.count},
    )


def _details(refusal: Refusal) -> dict[str, str | int]:
    """What the first of a kind was like; of its token a fingerprint."""
    token = hashlib.sha256(refusal.token.encode("utf-8", "surrogatepass")).hexdigest()[:_FINGERPRINT]
    named = {"method": refusal.method, "peer": refusal.peer, "token": token if refusal.token else ""}
    return {name: value for name, value in named.items() if value}
