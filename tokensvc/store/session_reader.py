"""Owns how sessions are read: each together with the barriers that concern it, in one exchange with the database."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, FromClause, Select, and_, or_, select

from tokensvc.domain.refresh_token import is_session_id
from tokensvc.domain.revocation import DEVICE_SEPARATOR, Barrier, BarrierKey, EntryKind, barrier_keys
from tokensvc.domain.session import Session
from tokensvc.ports import Owner, SessionFilter
from tokensvc.store import schema
from tokensvc.store.dialects import Dialect
from tokensvc.store.prepared import Prepared
from tokensvc.store.rows import session_from

_SESSIONS = schema.sessions
_WIDTH = len(_SESSIONS.columns)
_OWNER = (_SESSIONS.c.subject, _SESSIONS.c.client_id)

BROUGHT: Final = (*_OWNER, _SESSIONS.c.device_id)
"""What is asked by for sessions without rows."""
_OWNER_WIDTH = len(BROUGHT)


@dataclass(slots=True)
class Found:
    """Sessions by their ids, and what barriers there are for them."""

    sessions: dict[str, Session] = field(default_factory=dict)
    barriers: dict[BarrierKey, Barrier] = field(default_factory=dict)

    def add(self, session: Session, cut_offs: Sequence[int | None]) -> None:
        """Take in `session`, with a revision and a moment for each barrier that it may have, None where it has none."""
        grant = session.grant
        self.sessions[grant.session_id] = session
        if not any(cut_offs):
            return
        keys = barrier_keys(grant.subject, grant.client_id, grant.device_id)
        for key, revision, issued_before in zip(keys, cut_offs[::2], cut_offs[1::2], strict=False):
            if revision is not None and issued_before is not None:
                self.barriers[key] = Barrier(revision, issued_before)


class SessionReader:
    """Reads sessions in all the ways in which they are looked for."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        wanted = dialect.rowset("wanted", [_SESSIONS.c.session_id])
        by_id = with_barriers(_SESSIONS.join(wanted, wanted.c.session_id == _SESSIONS.c.session_id), _SESSIONS)
        owners = dialect.rowset("owners", _OWNER)
        is_theirs = and_(*(owners.c[column.name] == column for column in _OWNER))
        owned = select(_SESSIONS.c.session_id).join(owners, is_theirs).where(_SESSIONS.c.revoked_at.is_(None))
        brought = dialect.rowset("brought", BROUGHT)
        self._read = Prepared(dialect, by_id)
        self._lock = Prepared(dialect, _locking(by_id))
        self._owned = Prepared(dialect, owned)
        self._brought = Prepared(dialect, with_barriers(brought, brought))

    def read(self, connection: Connection, session_ids: Iterable[str]) -> Found:
        """The sessions with these ids, as far as they exist."""
        return self._by_id(connection, self._read, session_ids)

    def lock(self, connection: Connection, session_ids: Iterable[str]) -> Found:
        """The same, and nobody else changes them until the transaction ends."""
        return self._by_id(connection, self._lock, session_ids)

    def owned(self, connection: Connection, owners: Collection[Owner]) -> set[str]:
        """The ids of the sessions of `owners` that are not revoked."""
        if not owners:
            return set()
        found = self._owned.run(connection, **self._dialect.pack("owners", sorted(owners)))
        return {session_id for (session_id,) in found}

    def brought(self, connection: Connection, sessions: Sequence[Session]) -> Found:
        """The barriers that there are for sessions without rows; of several with one id a single one is answered."""
        if not sessions:
            return Found()
        owners = self._dialect.pack("brought", owners_of(sessions))
        return brought_in(sessions, self._brought.run(connection, **owners))

    def listed(self, connection: Connection, wanted: SessionFilter) -> Found:
        """The sessions that `wanted` describes, the latest first."""
        return found_in(connection.execute(_listing(wanted)))

    def _by_id(self, connection: Connection, statement: Prepared, session_ids: Iterable[str]) -> Found:
        possible = [(session_id,) for session_id in sorted(set(session_ids)) if is_session_id(session_id)]
        return found_in(statement.run(connection, **self._dialect.pack("wanted", possible))) if possible else Found()


def owners_of(sessions: Iterable[Session]) -> list[tuple[str, str, str]]:
    """The subject, client and device of each of `sessions`, once."""
    return sorted({(one.grant.subject, one.grant.client_id, one.grant.device_id) for one in sessions})


def brought_in(sessions: Iterable[Session], rows: Iterable[Sequence[Any]]) -> Found:
    """`sessions` that have no rows, with the barriers of their owners in `rows`, by columns as in `with_barriers`."""
    of_owner: dict[Any, Sequence[Any]] = {tuple(row[:_OWNER_WIDTH]): row[_OWNER_WIDTH:] for row in rows}
    found = Found()
    for session in sessions:
        found.add(session, of_owner[owners_of([session])[0]])
    return found


def found_in(rows: Iterable[Sequence[Any]]) -> Found:
    """The sessions in `rows`, by columns as in `with_barriers`."""
    found = Found()
    for row in rows:
        found.add(session_from(row[:_WIDTH]), row[_WIDTH:])
    return found


def with_barriers(source: FromClause, owner: FromClause) -> Select[Any]:
    """The columns of `owner`, which is part of `source`, and two for each of `domain.revocation.barrier_keys`."""
    device = owner.c.subject + DEVICE_SEPARATOR + owner.c.device_id
    keys = {EntryKind.SUBJECT: owner.c.subject, EntryKind.CLIENT: owner.c.client_id, EntryKind.DEVICE: device}
    cut_offs = []
    for kind, key in keys.items():
        barrier = schema.barriers.alias(kind.name.lower())
        source = source.outerjoin(barrier, (barrier.c.kind == int(kind)) & (barrier.c.key == key))
        cut_offs += [
            barrier.c.revision.label(f"{kind.name}_revision"),
            barrier.c.issued_before.label(f"{kind.name}_at"),
        ]
    return select(*owner.c, *cut_offs).select_from(source)


def _locking(statement: Select[Any]) -> Select[Any]:
    """Locked in the order of their keys, so that no two nodes wait for each other; SQLite locks the whole file."""
    return statement.order_by(_SESSIONS.c.session_id).with_for_update(of=_SESSIONS)


def _listing(wanted: SessionFilter) -> Select[Any]:
    table = _SESSIONS
    statement = with_barriers(table, table)
    statement = statement.order_by(table.c.started_at.desc(), table.c.session_id.desc()).limit(wanted.limit)
    for name in ("subject", "client_id", "device_id"):
        if value := getattr(wanted, name):
            statement = statement.where(table.c[name] == value)
    if wanted.of_clients is not None:
        statement = statement.where(table.c.client_id.in_(sorted(wanted.of_clients)))
    if wanted.before is not None:
        started_at, session_id = wanted.before
        statement = statement.where(
            or_(
                table.c.started_at < started_at,
                and_(table.c.started_at == started_at, table.c.session_id < session_id),
            )
        )
    return statement
