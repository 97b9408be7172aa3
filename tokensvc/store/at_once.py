"""Owns batches without a transaction around them: what they look at is read, and one statement writes all or nothing.

A transaction goes to the database and back for BEGIN, for each of its statements and for COMMIT. Here the rows are read
without a lock, the units decide, and the statement that writes does so only if every row that it changes is still as
it was read. If one is not, nothing has happened, and the batch is decided again in a transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, Connection, FromClause, bindparam, select, true

from tokensvc.domain.refresh_token import is_session_id
from tokensvc.domain.session import Session
from tokensvc.domain.value import value
from tokensvc.ports import Committed, Unit
from tokensvc.store import schema
from tokensvc.store.audit_chain import AuditWriter
from tokensvc.store.dialects import Dialect
from tokensvc.store.log_writing import barriers_of
from tokensvc.store.one_statement import Parts, one_statement
from tokensvc.store.prepared import Prepared, Statement
from tokensvc.store.rows import changing_values, log_row, session_row
from tokensvc.store.session_reader import BROUGHT, Found, brought_in, found_in, owners_of, with_barriers
from tokensvc.store.working_set import WorkingSet

T_co = TypeVar("T_co", covariant=True)

_ID = schema.sessions.columns.keys().index("session_id")


@value(frozen=True, slots=True)
class LastStatement(Generic[T_co]):
    """What is left to do of a batch: a `statement`, if anything is to be written, and the `answer` to make of its rows.

    That is None where the statement has found something changed, and so has written nothing. `meanwhile` is to be
    called when it is on its way.
    """

    statement: Statement | None
    meanwhile: Callable[[], None]
    answer: Callable[[Sequence[Sequence[Any]]], T_co | None]


class AtOnce:
    """Decides batches of units, and leaves the one statement that writes what they have decided."""

    def __init__(self, dialect: Dialect, audit: AuditWriter) -> None:
        self._dialect = dialect
        self._audit = audit
        self._writing = cache(lambda parts: one_statement(dialect, parts))

    def takes(self, units: Sequence[Unit[Any]]) -> bool:
        """Whether `units` look at single sessions alone, as all else must be locked, and there is a chain to go on."""
        locks = any(unit.client_id or unit.owner or unit.keys or unit.used_id for unit in units)
        return self._audit.knows_end and not locks

    def decide(self, connection: Connection, units: Sequence[Unit[Any]]) -> LastStatement[list[Committed[Any]]] | None:
        """Decide `units`; None if what they want to write takes a transaction."""
        found = self._look(connection, units, self._audit.missing_numbers(len(units)))
        looked = dict(found.sessions)
        rows = WorkingSet(found.sessions, {}, found.barriers)
        rows.run(units)
        if not rows.has_changes:
            self._audit.write_nothing()
            return LastStatement(None, lambda: None, lambda _nothing: rows.committed(0))
        if rows.changed_clients or rows.changed_keys or not rows.audit:
            return None
        if more := self._audit.missing_numbers(len(rows.audit)):
            self._look(connection, (), more)
        if (chained := self._audit.behind_known_end(rows.audit)) is None:
            return None
        statement = self._statement(rows, looked, **chained.end, **self._dialect.pack("events", chained.rows))
        return LastStatement(
            statement,
            lambda: rows.tell_meanwhile(units),
            lambda answered: rows.committed(answered[0][0]) if answered else None,
        )

    def _look(self, connection: Connection, units: Sequence[Unit[Any]], count: int) -> Found:
        """The sessions with their barriers; so many numbers for events are drawn with it."""
        pack, began = self._dialect.pack, self._audit.monotonic()
        wanted = sorted({unit.session_id for unit in units if not unit.brought and is_session_id(unit.session_id)})
        brought = [unit.brought for unit in units if unit.brought]
        found, numbers = Found(), None
        if brought:
            rows = self._by_owner.run(connection, **pack("brought", owners_of(brought)), count=count)
            found.barriers |= brought_in(brought, (row[:-1] for row in rows)).barriers
            numbers = rows[0][-1]
        if wanted or not brought:
            ids = pack("wanted", [(session_id,) for session_id in wanted])
            rows = self._by_id.run(connection, **ids, count=0 if brought else count)
            by_id = found_in(row[:-1] for row in rows if row[_ID] is not None)
            found = Found(by_id.sessions, found.barriers | by_id.barriers)
            numbers = numbers or rows[0][-1]
        self._audit.keep_numbers(self._dialect.drawn(numbers or (), count), began)
        return found

    def _statement(self, rows: WorkingSet, looked: Mapping[str, Session], **values: Any) -> Statement:
        """What writes `rows` where all sessions that were looked at are as they were."""
        pack = self._dialect.pack
        changed, new, entries = rows.changed_sessions, rows.new_sessions, rows.numbered_log(0)
        barriers = barriers_of(entries)
        seen = [(session_id, *changing_values(session)) for session_id, session in sorted(looked.items())]
        changes = [(session.grant.session_id, *changing_values(session)) for session in changed]
        return self._writing(Parts(bool(seen), bool(changes), bool(new), bool(entries), bool(barriers))).bound(
            **values,
            **pack("looked", seen),
            **pack("changes", changes),
            **pack("sessions", list(map(session_row, new))),
            **pack("entries", list(map(log_row, entries))),
            **pack("barriers", barriers),
            seen=len(seen),
            begun=len(new),
            entered=len(entries),
        )

    @cached_property
    def _by_id(self) -> Prepared:
        sessions = schema.sessions
        wanted = self._dialect.rowset("wanted", [sessions.c.session_id])
        return self._drawing(wanted.outerjoin(sessions, sessions.c.session_id == wanted.c.session_id), sessions)

    @cached_property
    def _by_owner(self) -> Prepared:
        brought = self._dialect.rowset("brought", BROUGHT)
        return self._drawing(brought, brought)

    def _drawing(self, source: FromClause, owner: FromClause) -> Prepared:
        """What selects as `with_barriers`, and numbers for events in the last column; one row at least."""
        draw = self._dialect.draw(schema.audit_events, bindparam("count", type_=BigInteger))
        drawn = select(draw.label("numbers")).subquery("drawn")
        selected = with_barriers(drawn.outerjoin(source, true()), owner)
        return Prepared(self._dialect, selected.add_columns(drawn.c.numbers))
