"""Owns recording refused calls in the audit trail: counted in memory, written a few at a time, never waited for."""

import asyncio
import hashlib
from dataclasses import field, replace
from typing import Final

import structlog

from tokensvc.domain.effects import AuditEvent, Effects
from tokensvc.domain.errors import ABOUT_CREDENTIALS, Reason, RefusedError
from tokensvc.domain.policy import SECOND
from tokensvc.domain.session import Grant
from tokensvc.domain.value import value
from tokensvc.ports import Clock, RefreshTokens, Store, Unit
from tokensvc.services.refusal_bursts import RefusalBursts, worst_caller
from tokensvc.services.refusal_tallies import Kind, Tallies, Tally, in_turn

RECORDED: Final = ABOUT_CREDENTIALS | {
    Reason.INVALID_SCOPE,
    Reason.INVALID_AUDIENCE,
    Reason.SESSION_LIMIT_REACHED,
    Reason.RATE_LIMITED,
}
"""What is about callers, their permissions, tokens, what these may be for, and how often they call."""

MOST_A_FLUSH: Final = 20
A_SECOND: Final = 1  # events, on average over a long time
SAVED: Final = 600  # events that may be written faster than that after a quiet time
_MOST_SUSPICIONS: Final = 1000
INTERVAL: Final = 1.0  # seconds
_FINGERPRINT: Final = 8  # hexadecimal digits of SHA-256

_log = structlog.get_logger(__name__)


@value(frozen=True, slots=True)
class Refusal:
    """A call that was refused: `caller` is who was recognised, the rest is what it named; empty where nothing was.

    `peer` is where the connection came from, for a caller that was not recognised; `differs` names the values that a
    session is bound to and that did.
    """

    reason: Reason
    method: str
    caller: str = ""
    client_id: str = ""
    subject: str = ""
    ip: str = ""
    peer: str = ""
    token: str = field(default="", repr=False)
    differs: str = ""


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
        self._tallies = Tallies()
        self._bursts = RefusalBursts()
        self._suspicions: list[AuditEvent] = []
        self._budget = float(SAVED)
        self._saved_at = clock()
        self._one_at_a_time = asyncio.Lock()

    def note(self, refusal: Refusal) -> None:
        """Count `refusal`, if it is of a kind that is recorded."""
        if refusal.reason not in RECORDED:
            return
        self._tallies.add(self._kind(refusal), Tally(self._clock(), refusal.ip, _details(refusal)))

    def _kind(self, refusal: Refusal) -> Kind:
        kind = Kind(refusal.reason, refusal.caller, refusal.client_id, refusal.subject, differs=refusal.differs)
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

    async def flush(self, *, last: bool = False) -> None:
        """Write what was counted, as much as may be; whatever goes wrong, what was not written is kept.

        What is `last` is written at least as counts: nobody would write it later.
        """
        async with self._one_at_a_time:
            if not (self._tallies or self._suspicions):
                return
            try:
                await self._find_sessions()
                self._suspect()
                if room := self._room(last=last):
                    await self._write(room)
            except RefusedError:
                pass  # the store has logged the outage
            except Exception as error:  # noqa: BLE001 - nobody else would hear of a defect, and serving goes on
                _log.error("refusals were not recorded", exc_info=error)

    async def _find_sessions(self) -> None:
        """Put subject and client into the kinds that have a session."""
        of_tokens = [(kind, tally) for kind, tally in self._tallies.items() if kind.session_id and not kind.subject]
        unknown = [kind for kind, tally in of_tokens if tally.fresh]  # others have been looked for
        rows = await self._store.sessions_by_id({kind.session_id for kind in unknown}) if unknown else {}
        for kind in unknown:
            if found := rows.get(kind.session_id):
                self._tallies.add(_of_session(kind, found.session.grant), self._tallies.pop(kind))

    def _suspect(self) -> None:
        now, bursts = self._clock(), self._bursts
        for kind, tally in self._tallies.items():
            found = [
                bursts.of_client(name, kind.caller, tally.fresh, now) for name in {kind.caller, kind.client_id} - {""}
            ]
            if kind.subject:
                found.append(bursts.of_subject(kind.subject, kind.caller, tally.fresh, now))
            self._suspicions += [event for event in found if event]
            tally.fresh = 0
        self._suspicions = in_turn(self._suspicions, worst_caller)[:_MOST_SUSPICIONS]

    async def _write(self, room: int) -> None:
        """Write suspicions, up to half, and what happened most; of what there is no room for, the counts by reason."""
        tallies, self._tallies = self._tallies, Tallies()
        by_turn, dropped = tallies.in_turn(), tallies.dropped.copy()
        if len(self._suspicions) + len(by_turn) + bool(dropped) > room:
            room -= 1  # for the counts
        suspicions = self._suspicions[: (room + 1) // 2]
        written = by_turn[: room - len(suspicions)]
        for kind, tally in by_turn[len(written) :]:
            dropped[kind.reason.value] += tally.count
        events = [*suspicions, *(_event(kind, tally) for kind, tally in written)]
        if dropped:
            events.append(AuditEvent("refusals.dropped", at=self._clock(), details=dict(sorted(dropped.items()))))
        try:
            await self._store.commit(Unit(lambda _rows: Effects(None, audit=tuple(events))))
        except BaseException:  # what could not be written is counted on, also at a cancelled stop
            self._tallies.dropped += tallies.dropped
            for kind, tally in by_turn:
                self._tallies.add(kind, tally)
            raise
        self._budget -= len(events)
        del self._suspicions[: len(suspicions)]

    def _room(self, *, last: bool) -> int:
        """How many events may be written now: nothing, or enough to tell of many callers."""
        now = self._clock()
        self._budget = min(SAVED, self._budget + max(0, now - self._saved_at) / SECOND * A_SECOND)
        self._saved_at = now
        if self._budget >= MOST_A_FLUSH:
            return MOST_A_FLUSH
        return 1 if last else 0


def _of_session(kind: Kind, grant: Grant) -> Kind:
    return replace(kind, client_id=grant.client_id, subject=grant.subject)


def _event(kind: Kind, tally: Tally) -> AuditEvent:
    return AuditEvent(
        "refused",
        at=tally.at,
        caller=kind.caller,
        client_id=kind.client_id,
        subject=kind.subject,
        session_id=kind.session_id,
        reason=kind.reason.value,
        ip=tally.ip,
        details={**tally.details, **({"differs": kind.differs} if kind.differs else {}), "count": tally.count},
    )


def _details(refusal: Refusal) -> dict[str, str | int]:
    """What the first of a kind was like; of its token a fingerprint."""
    token = hashlib.sha256(refusal.token.encode("utf-8", "surrogatepass")).hexdigest()[:_FINGERPRINT]
    named = {"method": refusal.method, "peer": refusal.peer, "token": token if refusal.token else ""}
    return {name: value for name, value in named.items() if value}
