"""Owns the one statement by which `store.at_once` writes a batch, or nothing of it: with WITH as PostgreSQL has it."""

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    select,
    true,
    update,
)

from tokensvc.domain.value import value
from tokensvc.store import schema
from tokensvc.store.audit_chain import going_on
from tokensvc.store.dialects import Dialect
from tokensvc.store.log_writing import raising
from tokensvc.store.prepared import Prepared
from tokensvc.store.rows import CHANGING

_SESSIONS = schema.sessions
_LOG = schema.revocation_log
_STATE = [_SESSIONS.c[name] for name in ("session_id", *CHANGING)]  # of a session: what it is called, and what changes


@value(frozen=True, slots=True)
class Parts:
    """What a statement compares and writes besides the audit trail."""

    looked: bool
    changes: bool
    sessions: bool
    log: bool
    barriers: bool


def one_statement(dialect: Dialect, parts: Parts) -> Prepared:
    """Answer what writes `parts`; its one row has the log's revision before, and there is none if it wrote nothing.

    Everything is done where the end of the audit chain has moved on, and that is done where no session that was
    `looked` at has changed since. Rows that somebody else changes just now are waited for, in the order of their keys.
    The sets of rows are `events`, `looked`, `changes`, `sessions`, `entries` and `barriers`; of entries and barriers
    the revisions count from the one before. `seen`, `begun` and `entered` say how many sessions were looked at, how
    many are new, and how many entries there are.
    """
    goes_on, written = going_on(), []
    if parts.looked:
        same = select(func.count()).select_from(_as_they_were(dialect)).scalar_subquery()
        goes_on = goes_on.where(same == bindparam("seen", type_=BigInteger))
    chain = goes_on.returning(schema.audit_chains.c.chain).cte("chain")
    if parts.changes:
        written.append(_changing(dialect, chain).cte("changed_sessions"))
    if parts.sessions:
        begun = _inserting(dialect, _SESSIONS, "sessions", chain)
        written.append(begun)
    before: ColumnElement[Any] = literal(0, BigInteger)
    if parts.log:
        advancing = _advancing(chain)
        if parts.sessions:
            inserted = select(func.count()).select_from(begun).scalar_subquery()
            advancing = advancing.where(inserted == bindparam("begun", type_=BigInteger))
        head = advancing.returning(schema.log_head.c.revision).cte("head")
        before = head.c.revision - _entered()
        written.append(_entering(dialect, head, before))
        if parts.barriers:
            written.append(_raising(dialect, head, before))
    written.append(_inserting(dialect, schema.audit_events, "events", chain))
    return Prepared(dialect, select(before.label("before")).select_from(head if parts.log else chain).add_cte(*written))


def _entered() -> ColumnElement[int]:
    return bindparam("entered", type_=BigInteger)


def _as_they_were(dialect: Dialect) -> CTE:
    """The sessions that nobody has changed, locked."""
    looked = dialect.rowset("looked", _STATE)
    is_same = (_SESSIONS.c[name].is_not_distinct_from(looked.c[name]) for name in CHANGING)
    same = select(_SESSIONS.c.session_id).join(looked, and_(looked.c.session_id == _SESSIONS.c.session_id, *is_same))
    return same.order_by(_SESSIONS.c.session_id).with_for_update(of=_SESSIONS).cte("same")


def _changing(dialect: Dialect, chain: CTE) -> Update:
    changes = dialect.rowset("changes", _STATE)
    return (
        update(_SESSIONS)
        .where(_SESSIONS.c.session_id == changes.c.session_id, _goes_on(chain))
        .values({name: changes.c[name] for name in CHANGING})
    )


def _goes_on(chain: CTE) -> ColumnElement[bool]:
    return exists(select(chain.c.chain))


def _inserting(dialect: Dialect, table: Table, name: str, chain: CTE) -> CTE:
    rows = dialect.rowset(name, list(table.columns))
    selected = select(rows).where(_goes_on(chain))
    inserted = insert(table).from_select(list(table.columns), selected)
    return inserted.returning(table.columns[0]).cte(f"new_{name}")


def _advancing(chain: CTE) -> Update:
    """Other nodes wait for the head from here on: so it comes after what may itself have to wait for others."""
    return update(schema.log_head).values(revision=schema.log_head.c.revision + _entered()).where(_goes_on(chain))


def _entering(dialect: Dialect, head: CTE, before: ColumnElement[Any]) -> CTE:
    rows = dialect.rowset("entries", list(_LOG.columns))
    values = [before + rows.c.revision, *list(rows.c)[1:]]
    selected: Select[Any] = select(*values).select_from(rows.join(head, true()))
    return insert(_LOG).from_select(list(_LOG.columns), selected).cte("new_entries")


def _raising(dialect: Dialect, head: CTE, before: ColumnElement[Any]) -> CTE:
    rows = dialect.rowset("barriers", list(schema.barriers.columns))
    revision = case((rows.c.revision > 0, before + rows.c.revision), else_=0)
    values = [revision if column.name == "revision" else column for column in rows.c]
    return raising(dialect, select(*values).select_from(rows.join(head, true()))).cte("raised")
