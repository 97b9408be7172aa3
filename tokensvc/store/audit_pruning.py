"""Owns the deletion of old audit events: a beginning of each chain, whose end becomes the chain's new beginning."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Row, Select, delete, or_, select, update

from tokensvc.domain.audit_verdict import NO_CHAIN
from tokensvc.store import schema
from tokensvc.store.audit_chain import follows
from tokensvc.store.dialects import Dialect

_EVENTS, _CHAINS = schema.audit_events, schema.audit_chains
# Numbers that are looked through for events to delete where many of the lowest have to stay: some milliseconds.
_FURTHEST: Final = 100_000
_PART: Final = 2000  # events that are in memory at once
_UNKNOWN: Final = -1  # where a chain is that has no row

_log = structlog.get_logger(__name__)


class AuditPruning:
    """Deletes events from before the moment `before`: up to `limit`, those with the lowest numbers.

    These are about the oldest, so that no index on the time is needed. Within a chain an old event behind a young one
    waits for that; of chains of two nodes, whose clocks differ, none holds up the other. Every event that goes has to
    be as it was written, or a changed time would have it deleted: from the first one that is not, its chain stays.
    """

    def __init__(self, dialect: Dialect, before: int, limit: int) -> None:
        self._dialect = dialect
        self._before = before
        self._limit = limit
        gone = dialect.rowset("gone", [_EVENTS.c.sequence])
        self._delete = delete(_EVENTS).where(_EVENTS.c.sequence.in_(select(gone.c.sequence)))
        bases = dialect.rowset("bases", [_CHAINS.c.chain, _CHAINS.c.base_position, _CHAINS.c.base_hash])
        self._move = (
            update(_CHAINS)
            .where(_CHAINS.c.chain == bases.c.chain)
            .values(base_position=bases.c.base_position, base_hash=bases.c.base_hash)
        )

    def __call__(self, connection: Connection) -> int:
        """Delete them in the transaction of `connection`; answer how many."""
        choice = _Choice(connection, self._dialect, self._before)
        choice.look_through(self._limit)
        if len(choice.gone) < self._limit:  # the last batch for now
            for row in choice.broken:
                _log.error("audit events are not as they were written", chain=row.chain, sequence=row.sequence)
        if not choice.gone:
            return 0
        if choice.bases:
            bases = [(chain, *base) for chain, base in choice.bases.items()]
            connection.execute(self._move, self._dialect.pack("bases", bases))
        connection.execute(self._delete, self._dialect.pack("gone", [(number,) for number in choice.gone]))
        # Its writer, if it still lives, begins another one.
        connection.execute(
            delete(_CHAINS).where(_CHAINS.c.base_position == _CHAINS.c.head_position, _CHAINS.c.head_at < self._before)
        )
        return len(choice.gone)


class _Choice:
    """Chooses what goes. The chains that it looks at are locked, so that nobody else prunes them meanwhile."""

    def __init__(self, connection: Connection, dialect: Dialect, before: int) -> None:
        self._connection = connection
        self._dialect = dialect
        self._before = before
        self._ends: dict[int, tuple[int, str]] = {}  # how far each chain has gone
        self._staying: set[int] = set()  # chains of which nothing more goes
        self.gone: list[int] = []
        """The numbers of the events that go."""
        self.bases: dict[int, tuple[int, str]] = {}
        """Of each chain from which events go, the place of the last one of them."""
        self.broken: list[Row[Any]] = []
        """Of each chain that does not hold, the first event that is not as it was written."""

    def look_through(self, limit: int) -> None:
        """Choose up to `limit` events; where old ones have to stay, those of other chains behind them too."""
        rows = self._look(select(_EVENTS), limit)
        furthest = rows[0].sequence + _FURTHEST if rows else 0
        while rows and (self._take(rows) or self._are_old(rows[-1].sequence, furthest)) and len(self.gone) < limit:
            staying = self._dialect.rowset("staying", [_CHAINS.c.chain])
            others = or_(_EVENTS.c.chain.is_(None), _EVENTS.c.chain.not_in(select(staying.c.chain)))
            behind = select(_EVENTS).where(_EVENTS.c.sequence > rows[-1].sequence, _EVENTS.c.sequence < furthest)
            rows = self._look(behind.where(others), limit - len(self.gone), **self._chains("staying", self._staying))

    def _look(self, events: Select[Any], limit: int, **values: Any) -> Sequence[Row[Any]]:
        """The next events, up to `limit`, and where their chains begin."""
        part = events.order_by(_EVENTS.c.sequence).limit(min(limit, _PART))
        rows = self._connection.execute(part, values).all()
        if chains := {row.chain for row in rows if self._is_old(row)} - {None} - self._ends.keys():
            wanted = self._dialect.rowset("wanted", [_CHAINS.c.chain])
            found = select(_CHAINS).where(_CHAINS.c.chain.in_(select(wanted.c.chain)))
            locked = found.order_by(_CHAINS.c.chain).with_for_update()
            for row in self._connection.execute(locked, self._chains("wanted", chains)):
                self._ends[row.chain] = row.base_position, row.base_hash
        return rows

    def _take(self, rows: Sequence[Row[Any]]) -> bool:
        """Take what may go; answer whether there may be more that is old, because it is at the end or has to stay."""
        stays = False
        for row in rows:
            if not self._is_old(row):
                self._staying.add(row.chain)
            elif row.chain is None:
                self.gone.append(row.sequence)
            elif row.chain in self._staying or not self._goes(row):
                stays = True
        return stays or self._is_old(rows[-1])

    def _are_old(self, behind: int, furthest: int) -> bool:
        """Whether among the events from there to there are old ones, as far as a few of them tell."""
        few = [behind + 2**power for power in range(max(0, furthest - behind).bit_length())]
        found = select(_EVENTS.c.sequence).where(_EVENTS.c.sequence.in_(few), _EVENTS.c.at < self._before).limit(1)
        return self._connection.execute(found).first() is not None

    def _goes(self, row: Row[Any]) -> bool:
        """Take the next event of its chain, if that is what it is."""
        position, digest = self._ends.get(row.chain, (_UNKNOWN, ""))
        if row.position == position + 1 and follows(row, digest):
            self.gone.append(row.sequence)
            self._ends[row.chain] = self.bases[row.chain] = row.position, row.hash
            return True
        # Another node may be deleting the same: then the chain is further on by now, or gone.
        if not (isinstance(row.position, int) and row.position <= position):
            self._staying.add(row.chain)
            if position != _UNKNOWN:
                self.broken.append(row)
        return False

    def _is_old(self, row: Row[Any]) -> bool:
        """By its time; what somebody has made none is left to the check of its chain."""
        return row.at < self._before if isinstance(row.at, int) else row.chain is not None

    def _chains(self, name: str, chains: Iterable[Any]) -> dict[str, Any]:
        """Carry numbers of chains, and at least one, to the statement."""
        return self._dialect.pack(name, [(NO_CHAIN,), *((chain,) for chain in chains if isinstance(chain, int))])
