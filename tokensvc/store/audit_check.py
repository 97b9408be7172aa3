"""Owns telling whether the audit trail is as it was written: every chain, from its beginning to its end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from tokensvc.domain.audit_verdict import NO_CHAIN, AuditFlaw, AuditHead, AuditVerdict
from tokensvc.domain.effects import LAST_NUMBER
from tokensvc.domain.policy import DAY
from tokensvc.store import schema
from tokensvc.store.audit_chain import follows
from tokensvc.store.audit_numbers import AuditNumbers, last_number
from tokensvc.store.database import Database

_EVENTS, _CHAINS = schema.audit_events, schema.audit_chains
_PAGE: Final = 2000

_STRAY: Final = "there are events that nobody has written to this chain"
_CHANGED: Final = "the event, or its place, is not as it was written"
_MISSING: Final = "the event that belongs here is missing"
_SHORT: Final = "the newest events are missing"
_REWRITTEN: Final = "the chain was written anew: its hash is not the one that was kept"
_TOO_EARLY: Final = "events were removed before their time"
_OUTSIDE: Final = "events were put in that are in no chain, or a version without chains has written them"
_MORE_OUTSIDE: Final = "more events are in no chain than there were"
_NO_NUMBER: Final = "events are missing, from this number on: all of a chain, or its end"


@dataclass(slots=True)
class _Place:
    """How far a chain was followed, to where it went when the check began, and the first event of each day."""

    position: int
    hash: str
    target: int
    at: int
    days: list[tuple[int, int]] = field(default_factory=list)

    def move(self, row: Row[Any]) -> None:
        """Go to the event in `row`."""
        if not self.days or row.at // DAY != self.at // DAY:
            self.days.append((row.position, row.at))
        self.position, self.hash, self.at = row.position, row.hash, row.at


class AuditCheck:
    """Follows all chains in one pass through the events, in pages, while the service goes on writing and pruning.

    A chain is followed to where it ended when the check began; what is pruned meanwhile is passed over. `expected` are
    ends that were kept elsewhere: a chain may go on behind them but has to go through them, and of what is gone nothing
    may be as young as the moment `audit_before`. In no chain may be as many events as are expected, or those with lower
    numbers than all others if nothing is said of them.
    """

    def __init__(self, database: Database, expected: Sequence[AuditHead], audit_before: int) -> None:
        self._database = database
        self._expected = expected
        self._audit_before = audit_before
        self._places: dict[int, _Place] = {}
        self._kept: dict[tuple[int, int], str] = {}  # hashes that are known, by chain and position
        self._flaws: dict[int, AuditFlaw] = {}
        self._strays: dict[int, AuditFlaw] = {}  # the furthest event behind the end of a chain, or of an unknown one
        self._events = self._unchained = self._chained = 0
        self._outsider = 0  # the newest event in no chain that stands behind one that is in one
        self._numbers = AuditNumbers(database.dialect, audit_before)

    async def run(self) -> AuditVerdict:
        """Answer what was found."""
        chains, last = await self._database.read(self._beginning)
        self._begin(chains)
        after = 0
        while page := await self._database.read(lambda c, after=after: _page(c, after, last)):  # type: ignore[misc]
            for row in page:
                await self._take(row)
            after = page[-1].sequence
        await self._end(last)
        heads = [
            AuditHead(chain, place.position, place.hash, place.at, place.days)
            for chain, place in self._places.items()
            if chain not in self._flaws and place.position >= place.target
        ]
        return AuditVerdict(self._events, self._unchained, heads, list(self._flaws.values()))

    def _beginning(self, connection: Connection) -> tuple[Sequence[Row[Any]], int]:
        """All chains, and the highest number, in one state of the database."""
        last = last_number(connection, self._database.dialect)
        return connection.execute(select(_CHAINS).order_by(_CHAINS.c.chain)).all(), last

    def _begin(self, chains: Sequence[Row[Any]]) -> None:
        for row in chains:
            self._places[row.chain] = _Place(row.base_position, row.base_hash, row.head_position, row.head_at)
            self._kept[row.chain, row.sealed_position] = row.sealed_hash
        for head in self._expected:
            if head.chain != NO_CHAIN:
                self._expect(head, self._places.get(head.chain))
        for chain, place in self._places.items():
            self._compare(chain, place)

    def _expect(self, head: AuditHead, place: _Place | None) -> None:
        base = place.position if place else LAST_NUMBER
        for position, at in (*head.days, (head.position, head.at)):
            if position <= base and at >= self._audit_before:
                self._note(head.chain, position, _TOO_EARLY)
        if place is None or base > head.position:
            return
        if place.target < head.position:
            self._note(head.chain, place.target + 1, _SHORT)
        elif self._kept.setdefault((head.chain, head.position), head.hash) != head.hash:
            self._note(head.chain, head.position, _REWRITTEN)

    async def _take(self, row: Row[Any]) -> None:
        """Follow a chain by one event."""
        self._numbers.take(row)
        if row.chain is None:
            self._unchained += 1
            self._outsider = row.sequence if self._chained else 0
            return
        self._chained += 1
        position = row.position if isinstance(row.position, int) else 0  # SQLite takes any value in any column
        place = self._places.get(row.chain)
        if place is None or position > place.target:
            if row.chain not in self._strays or position > self._strays[row.chain].position:
                self._strays[row.chain] = AuditFlaw(row.chain, position, row.sequence, _STRAY)
            return
        if row.chain in self._flaws:
            return
        if position != place.position + 1:
            await self._catch_up(row.chain, place)
        if position != place.position + 1:
            problem = _MISSING if position > place.position else _CHANGED
            self._note(row.chain, place.position + 1, problem, row.sequence)
        elif not follows(row, place.hash):
            self._note(row.chain, position, _CHANGED, row.sequence)
        else:
            place.move(row)
            self._events += 1
            self._compare(row.chain, place, row.sequence)

    async def _end(self, last: int) -> None:
        """See that every chain was followed to its end, and that what lies behind it has just been written."""
        for chain, place in self._places.items():
            if chain not in self._flaws and place.position < place.target:
                await self._catch_up(chain, place)
                if place.position < place.target:
                    self._note(chain, place.position + 1, _SHORT)
        for row in await self._database.read(lambda connection: _chains(connection, self._strays)):
            if self._strays[row.chain].position <= row.head_position:
                del self._strays[row.chain]
        self._flaws = {**self._strays, **self._flaws}
        self._judge_outsiders()
        if not self._flaws and (missing := self._numbers.missing(last)):
            self._note(NO_CHAIN, self._unchained, _NO_NUMBER, missing)

    def _judge_outsiders(self) -> None:
        kept = [head.position for head in self._expected if head.chain == NO_CHAIN]
        if kept and self._unchained > max(kept):
            self._note(NO_CHAIN, self._unchained, _MORE_OUTSIDE, self._outsider)
        elif self._outsider and not kept:
            self._note(NO_CHAIN, self._unchained, _OUTSIDE, self._outsider)

    async def _catch_up(self, chain: int, place: _Place) -> None:
        """Go to where the chain begins by now, if that is further on: what lay before has been pruned meanwhile."""
        for row in await self._database.read(lambda connection: _chains(connection, [chain])):
            if row.base_position > place.position:
                place.position, place.hash = row.base_position, row.base_hash

    def _compare(self, chain: int, place: _Place, sequence: int = 0) -> None:
        if self._kept.get((chain, place.position), place.hash) != place.hash:
            self._note(chain, place.position, _REWRITTEN, sequence)

    def _note(self, chain: int, position: int, problem: str, sequence: int = 0) -> None:
        self._flaws.setdefault(chain, AuditFlaw(chain, position, sequence, problem))


def _chains(connection: Connection, chains: Iterable[int]) -> Sequence[Row[Any]]:
    return connection.execute(select(_CHAINS).where(_CHAINS.c.chain.in_(list(chains)))).all()


def _page(connection: Connection, after: int, last: int) -> Sequence[Row[Any]]:
    found = select(_EVENTS).where(_EVENTS.c.sequence > after, _EVENTS.c.sequence <= last)
    return connection.execute(found.order_by(_EVENTS.c.sequence).limit(_PAGE)).all()
