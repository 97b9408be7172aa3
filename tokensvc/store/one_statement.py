"""Owns the one statement by which `store.at_once` writes a batch, or nothing of it: with WITH as PostgreSQL has it."""

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
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
# Of a changed session: its id, what is to be written, and what was read.
_CHANGES = [
    _SESSIONS.c.session_id,
    *(_SESSIONS.c[name] for name in CHANGING),
    *(Column(f"was_{name}", _SESSIONS.c[name].type) for name in CHANGING),
]


@value(frozen=True, slots=True)
class Parts:
    """What a statement writes besides the audit trail."""

    changes: bool
    sessions: bool
    log: bool
    barriers: bool


def one_statement(dialect: Dialect, parts: Parts) -> Prepared:
    """Answer what writes `parts`; its one row has the log's revision before, and there is none if it wrote nothing.

    Everything is done where the end of the audit chain has moved on, and that is done where no row of the `changes` has
    changed since it was read. Rows that somebody else changes just now are waited for, in the order of their keys.
    The sets of rows are `events`, `changes`, `sessions`, `entries` and `barriers`; of the entries and barriers the
    revisions count from the one before. `changed` and `entered` say how many changes and entries there are.
    """
    goes_on, written = going_on(), []
    if parts.changes:
        changes = select(dialect.rowset("changes", _CHANGES)).cte("changes")
        same = select(func.count()).select_from(_as_they_were(changes)).scalar_subquery()
        goes_on = goes_on.where(same == bindparam("changed", type_=BigInteger))
    chain = goes_on.returning(schema.audit_chains.c.chain).cte("chain")
    if parts.changes:
        written.append(_changing(changes, chain).cte("changed_sessions"))
    if parts.sessions:
        written.append(_inserting(dialect, _SESSIONS, "sessions", chain))
    before: ColumnElement[Any] = literal(0, BigInteger)
    if parts.log:
        head = _advancing(chain).cte("head")
        before = head.c.revision - _entered()
        written.append(_entering(dialect, head, before))
        if parts.barriers:
            written.append(_raising(dialect, head, before))
    written.append(_inserting(dialect, schema.audit_events, "events", chain))
    return Prepared(dialect, select(before.label("before")).select_from(head if parts.log else chain).add_cte(*written))


def _entered() -> ColumnElement[int]:
    return bindparam("entered", type_=BigInteger)


def _as_they_were(changes: CTE) -> CTE:
    """The sessions that nobody has changed, locked."""
    is_same = (_SESSIONS.c[name].is_not_distinct_from(changes.c[f"was_{name}"]) for name in CHANGING)
    same = select(_SESSIONS.c.session_id).join(changes, and_(changes.c.session_id == _SESSIONS.c.session_id, *is_same))
    return same.order_by(_SESSIONS.c.session_id).with_for_update(of=_SESSIONS).cte("same")


def _changing(changes: CTE, chain: CTE) -> Update:
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
    return insert(table).from_select(list(table.columns), selected).cte(f"new_{name}")


def _advancing(chain: CTE) -> Any:
    """Other nodes wait for the head from here on until this is committed, so it comes last."""
    revision = schema.log_head.c.revision
    return update(schema.log_head).values(revision=revision + _entered()).where(_goes_on(chain)).returning(revision)


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
