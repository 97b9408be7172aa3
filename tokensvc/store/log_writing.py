"""Owns what entries of the log become in the table of barriers, and how these are raised."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select

from tokensvc.domain.revocation import BARRIERS, Barrier, BarrierKey, LogEntry
from tokensvc.store import schema
from tokensvc.store.dialects import Dialect, Insert


def barriers_of(entries: Sequence[LogEntry]) -> list[tuple[Any, ...]]:
    """The rows of the barriers that `entries` raise, in the order of their keys."""
    raised: dict[BarrierKey, tuple[Barrier, int]] = {}
    for entry in entries:
        if entry.kind in BARRIERS:
            barrier, expires_at = raised.get((entry.kind, entry.key), (Barrier(), 0))
            raised[entry.kind, entry.key] = (barrier.raised_by(entry), max(expires_at, entry.barrier_expires_at))
    return [
        (int(kind), key, barrier.revision, barrier.issued_before, expires_at)
        for (kind, key), (barrier, expires_at) in sorted(raised.items())
    ]


def raising(dialect: Dialect, rows: Select[Any]) -> Insert:
    """What makes the barriers that `rows` selects, and raises those that are there."""
    table = schema.barriers
    statement = dialect.insert(table).from_select(list(table.columns), rows)
    raised = {
        name: dialect.greatest(table.c[name], statement.excluded[name])
        for name in ("revision", "issued_before", "expires_at")
    }
    return statement.on_conflict_do_update(index_elements=["kind", "key"], set_=raised)
