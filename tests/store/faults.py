"""Makes the database fail where the test wants it."""

import resource
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from tokensvc.store.dialects import Dialect
from tokensvc.store.postgres import PostgresDatabase
from tokensvc.store.sql_store import SqlStore
from tokensvc.store.sqlite import SqliteDatabase


class FaultyEngine:
    """Counts the statements of an engine, BEGIN and COMMIT included, and has the driver fail at one of them."""

    def __init__(self, dialect: Dialect, engine: Engine) -> None:
        self.seen: list[str] = []
        self.fails_at: int | None = None
        self.times = 1
        self.has_cut = False
        self._cut: tuple[int, Any] | None = None
        self.error: Exception = sqlite3.OperationalError("disk I/O error")
        self._engine = engine
        self._commit = engine.dialect.do_commit
        self._execute = dialect.execute
        event.listen(engine, "do_execute", self._before_statement)
        engine.dialect.do_commit = self._before_commit  # type: ignore[method-assign]
        dialect.execute = self._before_prepared  # type: ignore[method-assign]

    def restart(self, fails_at: int | None = None, times: int = 1) -> None:
        """Count from zero again, to fail at that statement, and at those that follow it as often as `times` says."""
        self.seen, self.fails_at, self.times = [], fails_at, times

    def cut_at(self, statement: int, connection: Any) -> None:
        """Break the kept `connection` of PostgreSQL before that statement."""
        self._cut, self.has_cut = (statement, connection), False

    def _before_statement(self, _cursor: object, statement: str, _parameters: object, _context: object) -> None:
        self._next(statement)

    def _before_prepared(self, connection: Connection, sql: str, arguments: Sequence[Any]) -> Sequence[Sequence[Any]]:
        if connection.engine is self._engine:
            self._next(sql)
        return self._execute(connection, sql, arguments)

    def _before_commit(self, connection: Any) -> None:
        self._next("COMMIT")
        self._commit(connection)

    def _next(self, statement: str) -> None:
        self.seen.append(statement)
        if self._cut is not None and len(self.seen) - 1 == self._cut[0]:
            self._cut[1]._connection.sync_connection.connection.driver_connection.terminate()
            self.has_cut, self._cut = True, None
        if self.fails_at is not None and 0 <= len(self.seen) - 1 - self.fails_at < self.times:
            raise self.error


def database_of(store: SqlStore) -> SqliteDatabase:
    """The database behind a store."""
    database = store._database
    assert isinstance(database, SqliteDatabase)
    return database


def faulty_engine(store: SqlStore, *, reading: bool = False) -> FaultyEngine:
    """Where the store on SQLite writes, or reads."""
    database = database_of(store)
    return FaultyEngine(database.dialect, database._reading if reading else database._writing)


def postgres_of(store: SqlStore) -> PostgresDatabase:
    """The database behind a store on PostgreSQL."""
    database = store._database
    assert isinstance(database, PostgresDatabase)
    return database


def watched(store: SqlStore) -> FaultyEngine:
    """What sees every exchange of `store` with PostgreSQL."""
    database = postgres_of(store)
    return FaultyEngine(database.dialect, database._engine.sync_engine)


def set_where_written(store: SqlStore, pragma: str) -> Any:
    """Run a PRAGMA on the connection that writes, outside of any transaction; answer what it says."""
    database = database_of(store)

    def work() -> Any:
        connection = database._writing.raw_connection()
        try:
            return connection.cursor().execute(f"PRAGMA {pragma}").fetchone()
        finally:
            connection.close()

    return database._writer.submit(work).result()


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Let this process make no file longer than the database's write-ahead log is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name(f"{path.name}-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
