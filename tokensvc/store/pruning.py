"""Owns the deletion of rows that nothing needs any more: one statement and one short transaction for each table."""

from collections import Counter
from functools import partial
from typing import Any

from sqlalchemy import Column, Connection, Delete, Integer, Table, bindparam, delete, select, tuple_

from tokensvc.domain.view import GRACE
from tokensvc.store import schema
from tokensvc.store.audit_pruning import AuditPruning
from tokensvc.store.database import Database

_LIMIT = bindparam("limit", type_=Integer)


async def prune(database: Database, now: int, limit: int, audit_before: int) -> Counter[str]:
    """As `Store.prune`."""
    values = {"before": now - GRACE, "limit": limit}
    pruned: Counter[str] = Counter()
    for name, statement in _STATEMENTS.items():
        pruned[name] = await database.write(partial(_rows_gone, statement, values))
    if audit_before:
        pruned["audit_events"] = await database.write(AuditPruning(database.dialect, audit_before, limit))
    return +pruned  # without those of which there was nothing


def _rows_gone(statement: Delete, values: dict[str, int], connection: Connection) -> int:
    return connection.execute(statement, values).rowcount


def _expired(table: Table, *keys: Column[Any]) -> Delete:
    """Delete by `expires_at`, the oldest first.

    A row that another transaction is at is left for the next time: that need not wait, and a barrier that is just
    being raised again, for longer, must not go.
    """
    chosen = (
        select(*keys)
        .where(table.c.expires_at < bindparam("before"))
        .order_by(table.c.expires_at)
        .limit(_LIMIT)
        .with_for_update(skip_locked=True)
        .cte("chosen", nesting=True)
    )
    return delete(table).where(tuple_(*keys).in_(select(chosen)))


_STATEMENTS = {
    "sessions": _expired(schema.sessions, schema.sessions.c.session_id),
    "revocation_log": _expired(schema.revocation_log, schema.revocation_log.c.revision),
    "barriers": _expired(schema.barriers, schema.barriers.c.kind, schema.barriers.c.key),
    "used_ids": _expired(schema.used_ids, schema.used_ids.c.digest),
}
