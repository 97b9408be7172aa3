"""Owns the SQL of a batch: set-wise statements, one per table, built once for a dialect."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from tokensvc.domain.client import Client
from tokensvc.domain.used_id import UsedId
from tokensvc.ports import Committed, Unit
from tokensvc.store import schema
from tokensvc.store.audit_chain import AuditWriter
from tokensvc.store.client_rows import client_from, client_row
from tokensvc.store.dialects import Dialect
from tokensvc.store.exchanges import Exchanges
from tokensvc.store.key_rows import lock_keys, write_keys
from tokensvc.store.log_writing import barriers_of, raising
from tokensvc.store.prepared import Prepared
from tokensvc.store.rows import (
    CHANGING,
    changing_values,
    log_row,
    session_row,
)
from tokensvc.store.session_reader import SessionReader
from tokensvc.store.working_set import WorkingSet


class Batch:
    """Runs batches of units inside a transaction of the caller's."""

    def __init__(self, dialect: Dialect, sessions: SessionReader, audit: AuditWriter) -> None:
        self._dialect = dialect
        self._sessions = sessions
        self._audit = audit
        raised = dialect.rowset("new", list(schema.barriers.columns))
        # The condition is always true: it keeps SQLite from reading ON CONFLICT as a join.
        self._raise_barriers = Prepared(dialect, raising(dialect, select(raised).where(raised.c.kind == raised.c.kind)))
        self._keep_ids = self._insert_ids()
        changes = dialect.rowset("changes", [schema.sessions.c[name] for name in ("session_id", *CHANGING)])
        self._update_sessions = Prepared(
            dialect,
            update(schema.sessions)
            .where(schema.sessions.c.session_id == changes.c.session_id)
            .values({name: changes.c[name] for name in CHANGING}),
        )
        revision = schema.log_head.c.revision
        self._advance = Prepared(
            dialect, update(schema.log_head).values(revision=revision + bindparam("count")).returning(revision)
        )

    def run(self, connection: Connection, units: Sequence[Unit[Any]]) -> list[Committed[Any]]:
        """Load what `units` ask for, decide, and write; durable when the caller commits."""
        sessions = self._sessions
        # Every node locks in the same order: used ids, clients, then sessions, each by their keys. A client's row that
        # is locked keeps others from adding to its subjects' sessions meanwhile.
        new_ids = self._new_ids(connection, [unit.used_id for unit in units if unit.used_id])
        clients = _lock_clients(connection, {unit.client_id for unit in units if unit.client_id})
        owned = sessions.owned(connection, {unit.owner for unit in units if unit.owner})
        found = sessions.lock(connection, owned | {unit.session_id for unit in units if not unit.brought})
        brought = sessions.brought(connection, [unit.brought for unit in units if unit.brought])
        keys = lock_keys(connection) if any(unit.keys for unit in units) else ()
        rows = WorkingSet(found.sessions, clients, found.barriers | brought.barriers, keys, new_ids)
        rows.run(units)
        exchanges = Exchanges(self._dialect, connection)
        self._write_sessions(exchanges, rows)
        for client_id, client in rows.changed_clients.items():
            _write_client(connection, client_id, client)
        write_keys(connection, rows.changed_keys)
        self._audit.write(exchanges, rows.audit)
        head = self._write_log(exchanges, rows)
        exchanges.finish()
        return rows.committed(head)

    def _write_sessions(self, exchanges: Exchanges, rows: WorkingSet) -> None:
        if new := rows.new_sessions:
            exchanges.hold(self._dialect.inserting(schema.sessions, list(map(session_row, new))))
        if changed := rows.changed_sessions:
            values = [(session.grant.session_id, *changing_values(session)) for session in changed]
            exchanges.hold([self._update_sessions.bound(**self._dialect.pack("changes", values))])

    def _write_log(self, exchanges: Exchanges, rows: WorkingSet) -> int:
        """Append the entries; answer the revision before them. The head's row is locked last and until the commit."""
        if not rows.log:
            return 0
        count = len(rows.log)
        ((reached,),) = exchanges.ask(self._advance, count=count)
        head = int(reached) - count
        entries = rows.numbered_log(head)
        exchanges.hold(self._dialect.inserting(schema.revocation_log, list(map(log_row, entries))))
        if raised := barriers_of(entries):
            exchanges.hold([self._raise_barriers.bound(**self._dialect.pack("new", raised))])
        return head

    def _new_ids(self, connection: Connection, used_ids: Sequence[UsedId]) -> Iterable[str]:
        """Keep `used_ids`; answer the digests of those that were not there. Others who keep one now are waited for."""
        if not used_ids:
            return ()
        rows = sorted({used.digest: used.expires_at for used in used_ids}.items())
        return [digest for (digest,) in self._keep_ids.run(connection, **self._dialect.pack("new", rows))]

    def _insert_ids(self) -> Prepared:
        table = schema.used_ids
        rows = self._dialect.rowset("new", list(table.columns))
        # As above: the condition is always true.
        statement = self._dialect.insert(table).from_select(
            list(table.columns), select(rows).where(rows.c.digest == rows.c.digest)
        )
        return Prepared(self._dialect, statement.on_conflict_do_nothing().returning(table.c.digest))


def touch(connection: Connection) -> None:
    """Write what is there already, to see whether anything can be written."""
    connection.execute(update(schema.log_head).values(revision=schema.log_head.c.revision))


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
