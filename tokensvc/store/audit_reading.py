"""Owns reading the audit trail by number, a part at a time: it has no other index, because every write would pay."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, or_, select

from tokensvc.ports import AuditFilter, AuditPage, AuditQuery
from tokensvc.store import schema
from tokensvc.store.rows import audit_record_from

_EVENTS = schema.audit_events
# Events that one look goes through: some milliseconds, after which others may have the database.
_PART: Final = 10_000
# By how much events may be out of the order of their times, in milliseconds: nodes differ, and some events wait.
_DISORDER: Final = 60 * 60 * 1000


def read_events(connection: Connection, wanted: AuditQuery) -> AuditPage:
    """As `Store.audit_events`."""
    order = _EVENTS.c.sequence.desc() if wanted.newest_first else _EVENTS.c.sequence
    part = (
        select(_EVENTS.c.sequence, _EVENTS.c.at)
        .where(_EVENTS.c.sequence > wanted.after, _EVENTS.c.sequence < wanted.before)
        .order_by(order)
        .limit(_PART)
        .subquery()
    )
    first, last = func.min(part.c.sequence), func.max(part.c.sequence)
    extent = connection.execute(
        select(func.count(), first.label("first"), last.label("last"), func.max(part.c.at).label("newest"))
    ).one()
    if not extent[0]:
        return AuditPage((), wanted.after if wanted.newest_first else wanted.before - 1, complete=True)
    found = connection.execute(
        select(_EVENTS)
        .where(_EVENTS.c.sequence.between(extent.first, extent.last), *_conditions(wanted.where))
        .order_by(order)
        .limit(wanted.limit)
    )
    records = list(map(audit_record_from, found))
    if len(records) == wanted.limit:
        return AuditPage(records, records[-1].sequence, complete=False)
    if extent[0] < _PART or (wanted.newest_first and _is_before(extent.newest, wanted.where)):
        return AuditPage(records, wanted.after if wanted.newest_first else wanted.before - 1, complete=True)
    return AuditPage(records, extent.first if wanted.newest_first else extent.last, complete=False)


def read_numbers(connection: Connection, after: int, limit: int) -> Sequence[int]:
    """As `Store.audit_numbers`."""
    numbers = select(_EVENTS.c.sequence).where(_EVENTS.c.sequence > after).order_by(_EVENTS.c.sequence).limit(limit)
    return connection.execute(numbers).scalars().all()


def _conditions(where: AuditFilter) -> list[ColumnElement[bool]]:
    columns: Any = _EVENTS.c
    conditions = [columns[name] == value for name in ("subject", "session_id") if (value := getattr(where, name))]
    if where.client_id:
        conditions.append(or_(columns.caller == where.client_id, columns.client_id == where.client_id))
    if where.types:
        conditions.append(columns.type.in_(where.types))
    if where.from_time is not None:
        conditions.append(columns.at >= where.from_time)
    if where.to_time is not None:
        conditions.append(columns.at < where.to_time)
    return conditions


def _is_before(newest: int, where: AuditFilter) -> bool:
    """Whether a part whose newest event is from then, and so all before it, lies before what is wanted."""
    return where.from_time is not None and newest < where.from_time - _DISORDER
