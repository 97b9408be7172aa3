"""Owns the store over an SQL database."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Table, and_, delete, insert, or_, select

from tokensvc.domain.keys import StoredKey
from tokensvc.domain.session import Session
from tokensvc.domain.view import GRACE, View
from tokensvc.ports import Clock, Committed, SessionFilter, SessionRow, Unit
from tokensvc.store import schema
from tokensvc.store.database import Database
from tokensvc.store.follower import Follower
from tokensvc.store.group_commit import GroupCommit
from tokensvc.store.rows import key_from, key_row, session_from
from tokensvc.store.statements import Batch
from tokensvc.store.working_set import WorkingSet

T = TypeVar("T")


class SqlStore:
    """Implements `ports.Store`."""

    def __init__(self, database: Database, clock: Clock, *, linger: float) -> None:
        self._database = database
        self._batch = Batch(database.dialect)
        self._follower = Follower(database, clock)
        self._commits = GroupCommit(self._transact, linger=linger)

    async def commit(self, unit: Unit[T]) -> Committed[T]:
        """As the port says."""
        return await self._commits.commit(unit)

    async def view(self, *, min_revision: int = 0, max_staleness: int = 0) -> View:
        """As the port says."""
        return await self._follower.view(min_revision=min_revision, max_staleness=max_staleness)

    async def sessions_by_id(self, session_ids: Collection[str]) -> Mapping[str, SessionRow]:
        """As the port says."""

        def work(connection: Connection) -> dict[str, SessionRow]:
            found = self._batch.load_sessions(connection, session_ids)
            return dict(zip(found, self._rows(connection, list(found.values())), strict=True))

        return await self._database.read(work)

    async def sessions(self, wanted: SessionFilter) -> Sequence[SessionRow]:
        """As the port says."""

        def work(connection: Connection) -> list[SessionRow]:
            return self._rows(connection, list(map(session_from, connection.execute(_listing(wanted)))))

        return await self._database.read(work)

    def _rows(self, connection: Connection, sessions: Sequence[Session]) -> list[SessionRow]:
        rows = WorkingSet({}, {}, self._batch.load_barriers(connection, sessions))
        return [SessionRow(session, rows.barred(session.grant)) for session in sessions]

    async def keys(self) -> Sequence[StoredKey]:
        """As the port says."""
        statement = select(schema.keys).order_by(schema.keys.c.created_at, schema.keys.c.key_id)
        return await self._database.read(
            lambda connection: [key_from(row) for row in connection.execute(statement).mappings()]
        )

    async def add_first_keys(self, keys: Sequence[StoredKey]) -> None:
        """As the port says."""

        def work(connection: Connection) -> None:
            if connection.execute(select(schema.keys.c.key_id).limit(1)).first() is None:
                connection.execute(insert(schema.keys), [key_row(key) for key in keys])

        await self._database.write(work)

    async def prune(self, now: int, limit: int) -> int:
        """As the port says."""
        return await self._database.write(lambda connection: _prune(connection, now - GRACE, limit))

    async def close(self) -> None:
        """As the port says."""
        await self._commits.drain()
        await self._database.close()

    async def _transact(self, units: Sequence[Unit[Any]]) -> Sequence[Committed[Any]]:
        return await self._database.write(lambda connection: self._batch.run(connection, units))


def _listing(wanted: SessionFilter) -> Any:
    table = schema.sessions
    statement = select(table).order_by(table.c.started_at.desc(), table.c.session_id.desc()).limit(wanted.limit)
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


def _prune(connection: Connection, before: int, limit: int) -> int:
    return sum(
        _delete_expired(connection, table, keys, before, limit)
        for table, keys in (
            (schema.sessions, [schema.sessions.c.session_id]),
            (schema.revocation_log, [schema.revocation_log.c.revision]),
            (schema.barriers, [schema.barriers.c.kind, schema.barriers.c.key]),
        )
    )


def _delete_expired(connection: Connection, table: Table, keys: Sequence[Column[Any]], before: int, limit: int) -> int:
    expired = connection.execute(select(*keys).where(table.c.expires_at < before).limit(limit)).all()
    for row in expired:
        connection.execute(delete(table).where(*(key == value for key, value in zip(keys, row, strict=True))))
    return len(expired)
