"""Owns PostgreSQL: the connections that are kept, conflicts that are tried again, and what counts as an outage."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tokensvc.store.at_once import LastStatement
from tokensvc.store.dialects import Dialect, PostgresDialect
from tokensvc.store.outages import Outages
from tokensvc.store.postgres_url import data_source

T = TypeVar("T")
Work = Callable[[Connection], T]

# SQLAlchemy's errors wrap those of the driver, which come as they are from prepared statements. An internal error of
# the driver is what it says between the server's farewell and the end of the connection.
_ERRORS = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

# Another node was at the same rows: serialization failure, deadlock, and a row that it was first to insert.
_CONFLICTS: Final = frozenset({"40001", "40P01", "23505"})
# Errors of what was written, not of the database: they concern the unit that wrote it. The classes of SQLSTATE are data
# exceptions, violated constraints and statements that are wrong or not permitted.
_DEFECTS: Final = frozenset({"22", "23", "42"})
_ATTEMPTS = 6
_FIRST_PAUSE = 0.005  # seconds
_READERS = 4
# To plan a statement anew for its values costs more than to execute it. All of them find their rows by an index, so one
# plan is right for a table of any size; made while it is small, it must not read the whole of it when it has grown.
_PLAN_ONCE: Final = """
    SET plan_cache_mode = force_generic_plan; SET jit = off;
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off
"""

_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresDatabase:
    """A PostgreSQL database, or one that speaks its protocol. Any number of nodes use it at the same time."""

    def __init__(self, url: str, *, timeout: float, read_only: bool = False) -> None:
        self.dialect: Dialect = PostgresDialect()
        self._timeout = timeout
        self._outages = Outages()
        self._engine = _engine(data_source(url, writing=not read_only), timeout)
        self._writing = _KeptConnection(self._engine)
        self._following = _KeptConnection(self._engine)

    async def write(self, work: Work[T], at_once: Callable[[Connection], LastStatement[T] | None] | None = None) -> T:
        """Run `work` in a transaction; again after a conflict with another node, or a connection lost before COMMIT.

        Before that `at_once` is tried, whose last statement is as good as a COMMIT. When the answer to one of the two
        is lost nobody knows whether it counts; what follows is the caller's to decide.
        """
        if at_once is not None:
            with contextlib.suppress(_ConflictError):
                written = await self._run(self._writing.use(self._by_one_statement(at_once)))
                if written is not None:
                    return written
        transaction = self._transaction("BEGIN", work)
        for attempt in range(1, _ATTEMPTS):
            try:
                return await self._run(self._writing.use(transaction))
            except _ConflictError:
                # Other nodes have just done the same: pauses of random length keep them from meeting again.
                await asyncio.sleep(random.uniform(0, _FIRST_PAUSE * 2**attempt))  # noqa: S311 - no secret
        return await self._run(self._writing.use(transaction), last=True)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a snapshot."""

        async def snapshot() -> T:
            connection = _KeptConnection(self._engine)
            try:
                return await connection.use(self._transaction(_SNAPSHOT, work))
            finally:
                await connection.close()

        return await self._run(snapshot(), last=True)

    async def follow(self, work: Callable[[Connection], T]) -> T:
        """Run `work` without a transaction: each statement sees what was committed when it began."""
        return await self._run(self._following.use(work), last=True)

    def data_version(self) -> int | None:
        """Always None: only a read can tell."""
        return None

    async def settings(self) -> dict[str, str]:
        """What the server says of itself and of the durability of what this service writes."""

        def work(connection: Connection) -> dict[str, str]:
            names = ("server_version", "synchronous_commit", "fsync")
            return {name: str(connection.execute(text(f"SHOW {name}")).scalar_one()) for name in names}

        return await self.write(work)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._writing.close()
        await self._following.close()
        await self._engine.dispose()

    def _transaction(self, begin: str, work: Callable[[Connection], T]) -> Callable[[Connection], T]:
        """`work` between `begin` and COMMIT."""

        def transaction(connection: Connection) -> T:
            try:
                self.dialect.execute(connection, begin, ())
                result = work(connection)
            except Exception as error:
                if _is_broken(connection, error):  # before COMMIT: nothing counts for sure
                    raise _ConflictError from error
                if _is_defect(error):
                    self.dialect.execute(connection, "ROLLBACK", ())
                raise
            self.dialect.execute(connection, "COMMIT", ())
            return result

        return transaction

    def _by_one_statement(self, at_once: Callable[[Connection], LastStatement[T] | None]) -> Work[T | None]:
        """What `at_once` leaves to do; None if nothing was written."""

        def attempt(connection: Connection) -> T | None:
            try:
                last = at_once(connection)
            except Exception as error:
                if _is_broken(connection, error):
                    raise _ConflictError from error
                raise
            if last is None:
                return None
            if last.statement is None:
                return last.answer(())
            asyncio.get_running_loop().call_soon(last.meanwhile)  # when this waits, and the statement is on its way
            return last.answer(self.dialect.execute(connection, *last.statement))

        return attempt

    async def _run(self, running: Awaitable[T], *, last: bool = False) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await running
        except _ConflictError as error:
            if last:
                raise self._outages.refusal(error) from error
            raise
        except _ERRORS as error:
            if not last and _sqlstate(error) in _CONFLICTS:
                raise _ConflictError from error
            if _is_defect(error):
                raise
            raise self._outages.refusal(error) from error


def _sqlstate(error: BaseException) -> str:
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def _is_defect(error: BaseException) -> bool:
    """Whether what was asked for is to blame, and the connection is as good as before."""
    return _sqlstate(error)[:2] in _DEFECTS or isinstance(error, ValueError)  # which the driver raises for values


def _is_broken(connection: Connection, error: Exception) -> bool:
    return connection.invalidated or isinstance(error, asyncpg.InternalClientError) or _driver(connection).is_closed()


def _driver(connection: Connection) -> asyncpg.Connection:
    driver: asyncpg.Connection = connection.connection.driver_connection
    return driver


class _ConflictError(Exception):
    """Nothing was written, and the next attempt may succeed.

    Another node was at the same rows, or the connection that was kept since the last transaction is no more.
    """


class _KeptConnection:
    """One connection that is used again and again, by one piece of work at a time; after an error, a new one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._free = asyncio.Lock()

    async def use(self, work: Callable[[Connection], T]) -> T:
        """Run `work`."""
        async with self._free:
            if self._connection is None:
                self._connection = await self._engine.connect()
            try:
                return await self._connection.run_sync(work)
            except BaseException as error:
                # In which state it is nobody knows: a time-out may have come in the middle of an answer.
                if not _is_defect(error):
                    await self.drop()
                raise

    async def drop(self) -> None:
        """Forget the connection."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.invalidate()
            await connection.close()

    async def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()


def _engine(dsn: str, timeout: float) -> AsyncEngine:
    milliseconds = str(int(timeout * 1000))
    settings = {
        "application_name": "tokensvc",
        # A node that stops in mid-transaction must not hold its locks for longer than the others wait.
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
    }

    async def connect() -> asyncpg.Connection:
        connection = await asyncpg.connect(dsn, timeout=timeout, server_settings=settings)
        try:
            await _adjust(connection)
        except BaseException:  # who is cancelled here would leave it open
            connection.terminate()
            raise
        return connection

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        isolation_level="AUTOCOMMIT",  # transactions begin and end where this file says so
        pool_size=_READERS + 2,
        max_overflow=0,
        pool_timeout=timeout,
        hide_parameters=True,  # an error that is logged must not show what was to be written
    )


async def _adjust(connection: asyncpg.Connection) -> None:
    """Make a new connection durable, and spare it what it need not do."""
    if await connection.fetchval("SHOW synchronous_commit") == "off":
        await connection.execute("SET synchronous_commit = on")
    # An engine that only speaks PostgreSQL's protocol plans in its own way.
    with contextlib.suppress(asyncpg.UndefinedObjectError):
        await connection.execute(_PLAN_ONCE)
