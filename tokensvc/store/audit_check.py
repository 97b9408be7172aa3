"""Owns telling whether the audit trail is as it was written: every chain, from its beginning to its end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from tokensvc.ports import AuditFlaw, AuditHead, AuditVerdict
from tokensvc.store import schema
from tokensvc.store.audit_chain import link
from tokensvc.store.database import Database

_EVENTS, _CHAINS = schema.audit_events, schema.audit_chains
_PAGE: Final = 2000
_CONTENT: Final = _EVENTS.columns.keys().index("chain")  # how many columns a hash covers

_STRAY: Final = "there are events that nobody has written to this chain"
_CHANGED: Final = "the event, or its place, is not as it was written"
_MISSING: Final = "the event that belongs here is missing"
_SHORT: Final = "the newest events are missing"
_REWRITTEN: Final = "the chain was written anew: its hash is not the one that was kept"
_TOO_EARLY: Final = "events were removed before their time"


@dataclass(slots=True)
class _Place:
    """How far a chain was followed, and to where it went when the check began."""

    position: int
    hash: str
    target: int


class AuditCheck:
    """Follows all chains in one pass through the events, in pages, while the service goes on writing and pruning.

    A chain is followed to where it ended when the check began; what is pruned meanwhile is passed over. `expected` are
    ends that were kept elsewhere: a chain may go on behind them but has to go through them, unless they are from before
    the moment `audit_before` and may have been pruned.
    """

    def __init__(self, database: Database, expected: Sequence[AuditHead], audit_before: int) -> None:
        self._database = database
        self._expected = expected
        self._audit_before = audit_before
        self._places: dict[int, _Place] = {}
        self._kept: dict[tuple[int, int], str] = {}  # hashes that are known, by chain and position
        self._flaws: dict[int, AuditFlaw] = {}
        self._strays: dict[int, AuditFlaw] = {}  # the furthest event behind the end of a chain, or of an unknown one
        self._events = self._unchained = 0

    async def run(self) -> AuditVerdict:
        """Answer what was found."""
        chains, last = await self._database.read(_beginning)
        self._begin(chains)
        after = 0
        while page := await self._database.read(lambda c, after=after: _page(c, after, last)):  # type: ignore[misc]
            for row in page:
                await self._take(row)
            after = page[-1].sequence
        await self._end()
        heads = [
            AuditHead(row.chain, place.position, place.hash, row.head_at)
            for row in chains
            if row.chain not in self._flaws and (place := self._places[row.chain]).position >= place.target
        ]
        return AuditVerdict(self._events, self._unchained, heads, list(self._flaws.values()))

    def _begin(self, chains: Sequence[Row[Any]]) -> None:
        for row in chains:
            self._places[row.chain] = _Place(row.base_position, row.base_hash, row.head_position)
            self._kept[row.chain, row.sealed_position] = row.sealed_hash
        for head in self._expected:
            place = self._places.get(head.chain)
            if place is None or place.position > head.position:
                if head.at >= self._audit_before:
                    self._note(head.chain, head.position, _TOO_EARLY)
            elif place.target < head.position:
                self._note(head.chain, place.target + 1, _SHORT)
            elif self._kept.setdefault((head.chain, head.position), head.hash) != head.hash:
                self._note(head.chain, head.position, _REWRITTEN)
        for chain, place in self._places.items():
            self._compare(chain, place)

    async def _take(self, row: Row[Any]) -> None:
        """Follow a chain by one event."""
        if row.chain is None:
            self._unchained += 1
            return
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
        elif not _follows(row, place.hash):
            self._note(row.chain, position, _CHANGED, row.sequence)
        else:
            place.position, place.hash = row.position, row.hash
            self._events += 1
            self._compare(row.chain, place, row.sequence)

    async def _end(self) -> None:
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


def _follows(row: Row[Any], before: str) -> bool:
    """Whether the event in `row` was written behind the one with the hash `before`."""
    try:
        return bool(link(before, row.chain, row.position, row[:_CONTENT]) == row.hash)
    except TypeError:  # see above
        return False


def _beginning(connection: Connection) -> tuple[Sequence[Row[Any]], int]:
    """All chains, and the highest number, in one state of the database."""
    last = connection.execute(select(func.max(_EVENTS.c.sequence))).scalar()
    return connection.execute(select(_CHAINS).order_by(_CHAINS.c.chain)).all(), last or 0


def _chains(connection: Connection, chains: Iterable[int]) -> Sequence[Row[Any]]:
    return connection.execute(select(_CHAINS).where(_CHAINS.c.chain.in_(list(chains)))).all()


def _page(connection: Connection, after: int, last: int) -> Sequence[Row[Any]]:
    found = select(_EVENTS).where(_EVENTS.c.sequence > after, _EVENTS.c.sequence <= last)
    return connection.execute(found.order_by(_EVENTS.c.sequence).limit(_PAGE)).all()
