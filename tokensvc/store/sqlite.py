"""Owns SQLite: one file in WAL mode, one writer thread, every commit synced to the disk."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.pool import SingletonThreadPool

from tokensvc.store.at_once import LastStatement
from tokensvc.store.dialects import Dialect, SqliteDialect
from tokensvc.store.outages import Outages

T = TypeVar("T")

_BUSY_TIMEOUT_MS = 5000
_RETRY_SECONDS = 0.01

# Errors of what was written, not of the database: they concern the unit that wrote it.
# SQLAlchemy's errors wrap those of the driver, which come as they are from prepared statements.
_DEFECTS = (
    IntegrityError,
    DataError,
    ProgrammingError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
)


class SqliteDatabase:
    """A SQLite file. Other processes may use it at the same time."""

    def __init__(self, path: Path) -> None:
        self.dialect: Dialect = SqliteDialect()
        self._outages = Outages()
        self._writing = sqlite_engine(path, begin="BEGIN IMMEDIATE")
        self._reading = sqlite_engine(path, begin="BEGIN")
        self._writer = ThreadPoolExecutor(1, "tokensvc-writer")
        self._reader = ThreadPoolExecutor(1, "tokensvc-reader")
        self._watch = sqlite3.connect(path, isolation_level=None, timeout=0)  # the event loop must not wait
        self._version = self._watch.cursor()

    async def write(
        self,
        work: Callable[[Connection], T],
        at_once: Callable[[Connection], LastStatement[T] | None] | None = None,  # noqa: ARG002 - there is no way to go
    ) -> T:
        """Run `work` under BEGIN IMMEDIATE, so that what it reads cannot change before it writes."""
        return await self._run(self._writer, self._writing, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a snapshot."""
        return await self._run(self._reader, self._reading, work)

    async def follow(self, work: Callable[[Connection], T]) -> T:
        """As `read`."""
        return await self.read(work)

    def data_version(self) -> int | None:
        """How SQLite counts the commits of others; about 2 microseconds. None while another process locks the file."""
        try:
            return int(self._version.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                return None
            raise self._outages.refusal(error) from error

    async def settings(self) -> dict[str, str]:
        """What the connection that writes says of its durability."""
        names = {"0": "off", "1": "normal", "2": "full", "3": "extra"}

        def work(connection: Connection) -> dict[str, str]:
            journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
            synchronous = str(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
            return {"journal_mode": str(journal), "synchronous": names.get(synchronous, synchronous)}

        return await self.write(work)

    async def close(self) -> None:
        """Wait for the threads and close."""
        for executor, engine in ((self._writer, self._writing), (self._reader, self._reading)):
            await asyncio.get_running_loop().run_in_executor(executor, engine.dispose)
            executor.shutdown()
        self._watch.close()

    async def _run(self, executor: ThreadPoolExecutor, engine: Engine, work: Callable[[Connection], T]) -> T:
        def transaction() -> T:
            with engine.begin() as connection:
                return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(executor, transaction)
        except _DEFECTS:
            raise
        except (DBAPIError, sqlite3.Error) as error:
            raise self._outages.refusal(error) from error


def sqlite_engine(path: Path, *, begin: str) -> Engine:
    """An engine for one thread whose transactions open with `begin` and are durable when they end."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=SingletonThreadPool,
        pool_size=1,
        hide_parameters=True,  # an error that is logged must not show what was to be written
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not open transactions of its own
        for setting in (f"busy_timeout={_BUSY_TIMEOUT_MS}", "synchronous=FULL"):
            connection.execute(f"PRAGMA {setting}")
        _write_ahead(connection)

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL mode. SQLite does not wait for another process that is just doing the same."""
    give_up_at = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return
