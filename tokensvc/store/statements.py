"""Owns the SQL of a batch: set-wise statements, one per table, built once for a dialect."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, update

from tokensvc.domain.client import Client
from tokensvc.domain.refresh_token import is_session_id
from tokensvc.domain.revocation import BARRIERS, Barrier, BarrierKey, EntryKind, LogEntry, barrier_keys
from tokensvc.domain.session import Session
from tokensvc.ports import Committed, Unit
from tokensvc.store import schema
from tokensvc.store.audit_chain import AuditWriter
from tokensvc.store.dialects import Dialect
from tokensvc.store.rows import (
    CHANGING,
    changing_values,
    client_from,
    client_row,
    log_row,
    session_from,
    session_row,
)
from tokensvc.store.working_set import WorkingSet


class Batch:
    """Runs batches of units inside a transaction of the caller's."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._insert_sessions = self._insert(schema.sessions)
        self._insert_log = self._insert(schema.revocation_log)
        self._audit = AuditWriter(dialect)
        self._raise_barriers = self._upsert_barriers()
        changes = dialect.rowset("changes", [schema.sessions.c[name] for name in ("session_id", *CHANGING)])
        self._update_sessions = (
            update(schema.sessions)
            .where(schema.sessions.c.session_id == changes.c.session_id)
            .values({name: changes.c[name] for name in CHANGING})
        )
        wanted = dialect.rowset("wanted", [schema.sessions.c.session_id])
        self._read_sessions = select(schema.sessions).join(wanted, wanted.c.session_id == schema.sessions.c.session_id)
        # Locked in the order of their keys, so that no two nodes wait for each other. (SQLite locks the whole file.)
        self._lock_sessions = self._read_sessions.order_by(schema.sessions.c.session_id).with_for_update(
            of=schema.sessions
        )
        owners = dialect.rowset("owners", [schema.sessions.c.subject, schema.sessions.c.client_id])
        self._lock_owned = (
            select(schema.sessions)
            .join(
                owners,
                (owners.c.subject == schema.sessions.c.subject) & (owners.c.client_id == schema.sessions.c.client_id),
            )
            .where(schema.sessions.c.revoked_at.is_(None))
            .order_by(schema.sessions.c.session_id)
            .with_for_update(of=schema.sessions)
        )
        asked = dialect.rowset("asked", [schema.barriers.c.kind, schema.barriers.c.key])
        self._load_barriers = select(schema.barriers).join(
            asked, (asked.c.kind == schema.barriers.c.kind) & (asked.c.key == schema.barriers.c.key)
        )
        self._advance = update(schema.log_head).returning(schema.log_head.c.revision)

    def run(self, connection: Connection, units: Sequence[Unit[Any]]) -> list[Committed[Any]]:
        """Load what `units` ask for, decide, and write; durable when the caller commits."""
        sessions = self._sessions(
            connection, self._lock_sessions, {unit.session_id for unit in units if not unit.brought}
        )
        clients = _lock_clients(connection, {unit.client_id for unit in units if unit.client_id})
        if owners := {unit.owner for unit in units if unit.owner}:
            # After the clients' rows, which keep others from adding to these sessions meanwhile.
            owned = connection.execute(self._lock_owned, self._dialect.pack("owners", sorted(owners)))
            sessions |= {session.grant.session_id: session for session in map(session_from, owned)}
        brought = [unit.brought for unit in units if unit.brought]
        rows = WorkingSet(sessions, clients, self.load_barriers(connection, [*sessions.values(), *brought]))
        rows.run(units)
        self._write_sessions(connection, rows)
        for client_id, client in rows.changed_clients.items():
            _write_client(connection, client_id, client)
        self._audit.write(connection, rows.audit)
        return rows.committed(self._write_log(connection, rows))

    def has_committed(self) -> None:
        """Note that what the last `run` has written is durable."""
        self._audit.has_committed()

    def load_sessions(self, connection: Connection, session_ids: Iterable[str]) -> dict[str, Session]:
        """The sessions with these ids, as far as they exist."""
        return self._sessions(connection, self._read_sessions, session_ids)

    def _sessions(self, connection: Connection, statement: Any, session_ids: Iterable[str]) -> dict[str, Session]:
        possible = [(session_id,) for session_id in sorted(set(session_ids)) if is_session_id(session_id)]
        if not possible:
            return {}
        found = connection.execute(statement, self._dialect.pack("wanted", possible))
        return {session.grant.session_id: session for session in map(session_from, found)}

    def load_barriers(self, connection: Connection, sessions: Iterable[Session]) -> dict[BarrierKey, Barrier]:
        """The barriers that concern `sessions`."""
        keys = {
            (int(kind), key)
            for session in sessions
            for kind, key in barrier_keys(session.grant.subject, session.grant.client_id, session.grant.device_id)
        }
        if not keys:
            return {}
        found = connection.execute(self._load_barriers, self._dialect.pack("asked", sorted(keys)))
        return {(EntryKind(row.kind), row.key): Barrier(row.revision, row.issued_before) for row in found}

    def _write_sessions(self, connection: Connection, rows: WorkingSet) -> None:
        if new := rows.new_sessions:
            connection.execute(self._insert_sessions, self._pack(list(map(session_row, new))))
        if changed := rows.changed_sessions:
            values = [(session.grant.session_id, *changing_values(session)) for session in changed]
            connection.execute(self._update_sessions, self._dialect.pack("changes", values))

    def _write_log(self, connection: Connection, rows: WorkingSet) -> int:
        """Append the entries; answer the revision before them. The head's row is locked last and until the commit."""
        if not rows.log:
            return 0
        count = len(rows.log)
        advance = self._advance.values(revision=schema.log_head.c.revision + count)
        head = int(connection.execute(advance).scalar_one()) - count
        entries = rows.numbered_log(head)
        connection.execute(self._insert_log, self._pack(list(map(log_row, entries))))
        if raised := _barriers_of(entries):
            connection.execute(self._raise_barriers, self._pack(raised))
        return head

    def _pack(self, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        return self._dialect.pack("new", rows)

    def _insert(self, table: Table) -> Any:
        columns = list(table.columns)
        return insert(table).from_select(columns, select(self._dialect.rowset("new", columns)))

    def _upsert_barriers(self) -> Any:
        table = schema.barriers
        rows = self._dialect.rowset("new", list(table.columns))
        # The condition is always true: it keeps SQLite from reading ON CONFLICT as a join.
        statement = self._dialect.insert(table).from_select(
            list(table.columns), select(rows).where(rows.c.kind == rows.c.kind)
        )
        return statement.on_conflict_do_update(
            index_elements=["kind", "key"],
            set_={
                name: self._dialect.greatest(table.c[name], statement.excluded[name])
                for name in ("revision", "issued_before", "expires_at")
            },
        )


def touch(connection: Connection) -> None:
    """Write what is there already, to see whether anything can be written."""
    connection.execute(update(schema.log_head).values(revision=schema.log_head.c.revision))


def _barriers_of(entries: Sequence[LogEntry]) -> list[tuple[Any, ...]]:
    raised: dict[BarrierKey, tuple[Barrier, int]] = {}
    for entry in entries:
        if entry.kind in BARRIERS:
            barrier, expires_at = raised.get((entry.kind, entry.key), (Barrier(), 0))
            raised[entry.kind, entry.key] = (barrier.raised_by(entry), max(expires_at, entry.barrier_expires_at))
    return [
        (int(kind), key, barrier.revision, barrier.issued_before, expires_at)
        for (kind, key), (barrier, expires_at) in sorted(raised.items())
    ]


def _lock_clients(connection: Connection, client_ids: set[str]) -> dict[str, Client]:
    if not client_ids:
        return {}
    table = schema.clients
    wanted = select(table).where(table.c.client_id.in_(sorted(client_ids))).order_by(table.c.client_id)
    found = connection.execute(wanted.with_for_update())
    return {row["client_id"]: client_from(row) for row in found.mappings()}


def _write_client(connection: Connection, client_id: str, client: Client | None) -> None:
    is_it = schema.clients.c.client_id == client_id
    if client is None:
        connection.execute(delete(schema.clients).where(is_it))
        return
    values = client_row(client)
    changed = connection.execute(update(schema.clients).where(is_it).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(schema.clients).values(values))
