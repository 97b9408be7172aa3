"""Owns reading the audit trail by number, a part at a time: it has no other index, because every write would pay."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, or_, select

from tokensvc.ports import AuditFilter, AuditPage, AuditQuery, AuditRecord
from tokensvc.store import schema
from tokensvc.store.rows import audit_record_from

_EVENTS = schema.audit_events
# Events that one look goes through: some milliseconds, after which others may have the database.
_PART: Final = 10_000
# By how much events may be out of the order of their times, in milliseconds: nodes differ, and some events wait.
_DISORDER: Final = 60 * 60 * 1000
_END_OF_TIME: Final = 253_402_300_800_000  # the year 10000, as far as a Timestamp goes
_DIGEST_LENGTH: Final = 43
# What no event of this service comes near to, and what every gRPC client takes.
_LONGEST: Final = 50_000  # characters
_DEEPEST: Final = 20  # documents and lists in one another


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
    records = list(map(_record, found))
    if len(records) == wanted.limit:
        return AuditPage(records, records[-1].sequence, complete=False)
    if extent[0] < _PART or (wanted.newest_first and _is_before(extent.newest, wanted.where)):
        return AuditPage(records, wanted.after if wanted.newest_first else wanted.before - 1, complete=True)
    return AuditPage(records, extent.first if wanted.newest_first else extent.last, complete=False)


def read_numbers(connection: Connection, after: int, limit: int) -> Sequence[int]:
    """As `Store.audit_numbers`."""
    numbers = select(_EVENTS.c.sequence).where(_EVENTS.c.sequence > after).order_by(_EVENTS.c.sequence).limit(limit)
    return connection.execute(numbers).scalars().all()


def _record(row: Sequence[Any]) -> AuditRecord:
    """The event in `row`. What somebody has made unreadable is left out, and named in its details."""
    values = dict(zip(_EVENTS.columns.keys(), row, strict=True))
    unreadable = [name for name, value in values.items() if not _is_readable(name, value)]
    if unreadable:
        empty = {**dict.fromkeys(values, ""), "at": 0, "details": json.dumps({"unreadable": unreadable})}
        values |= {name: empty[name] for name in ("details", *unreadable)}
    return audit_record_from(list(values.values()))


def _is_readable(name: str, value: Any) -> bool:
    if name in ("sequence", "chain", "position"):
        return True  # of these only the first is shown, and no database lets it be anything but a number
    if name == "at":
        return isinstance(value, int) and 0 <= value < _END_OF_TIME
    if name == "hash":
        return value is None or (isinstance(value, str) and len(value) == _DIGEST_LENGTH and value.isascii())
    return isinstance(value, str) and len(value) <= _LONGEST and (name != "details" or _is_document(value))


def _is_document(text: str) -> bool:
    try:
        document = json.loads(text)
        if "\\u" in text:  # one half of a surrogate pair cannot be sent
            json.dumps(document, ensure_ascii=False).encode()
        return isinstance(document, dict) and _depth(document) <= _DEEPEST
    except (ValueError, RecursionError):
        return False


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


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
