"""Owns the deletion of old audit events: a beginning of each chain, whose end becomes the chain's new beginning."""

from sqlalchemy import Connection, delete, select, update

from tokensvc.store import schema
from tokensvc.store.dialects import Dialect

_EVENTS, _CHAINS = schema.audit_events, schema.audit_chains


class AuditPruning:
    """Deletes the events from before the moment `before` among the `limit` with the lowest numbers.

    These are about the oldest, so that no index on the time is needed. Within a chain an old event behind a young one
    waits for that; of chains of two nodes, whose clocks differ, none holds up the other.
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
            .where(_CHAINS.c.chain == bases.c.chain, _CHAINS.c.base_position < bases.c.base_position)
            .values(base_position=bases.c.base_position, base_hash=bases.c.base_hash)
        )

    def __call__(self, connection: Connection) -> int:
        """Delete them in the transaction of `connection`; answer how many."""
        gone, bases = self._choose(connection)
        if not gone:
            return 0
        # A chain that others prune at the same time is locked first: the deletion then finds what is left.
        if bases:
            connection.execute(self._move, self._dialect.pack("bases", bases))
        count = connection.execute(self._delete, self._dialect.pack("gone", [(number,) for number in gone])).rowcount
        # Its writer, if it still lives, begins another one.
        connection.execute(
            delete(_CHAINS).where(_CHAINS.c.base_position == _CHAINS.c.head_position, _CHAINS.c.head_at < self._before)
        )
        return count

    def _choose(self, connection: Connection) -> tuple[list[int], list[tuple[int, int, str]]]:
        """The numbers of the events that go, and for each chain the place of the last one of them."""
        columns = (_EVENTS.c.sequence, _EVENTS.c.at, _EVENTS.c.chain, _EVENTS.c.position, _EVENTS.c.hash)
        gone: list[int] = []
        bases: dict[int, tuple[int, str]] = {}
        held_up: set[int] = set()
        for row in connection.execute(select(*columns).order_by(_EVENTS.c.sequence).limit(self._limit)):
            if row.at >= self._before:
                held_up.add(row.chain)
            elif row.chain is None:
                gone.append(row.sequence)
            elif row.chain not in held_up:
                gone.append(row.sequence)
                bases[row.chain] = (row.position, row.hash)
        return gone, [(chain, *base) for chain, base in sorted(bases.items())]
