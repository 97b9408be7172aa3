"""Owns PostgreSQL: the connections that are kept, conflicts that are tried again, and what counts as an outage."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tokensvc.store.dialects import Dialect, PostgresDialect
from tokensvc.store.outages import Outages
from tokensvc.store.postgres_url import data_source

T = TypeVar("T")

# Errors of what was written, not of the database: they concern the unit that wrote it.
_DEFECTS = (IntegrityError, DataError, ProgrammingError)
_OUTAGES = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

# Another node was at the same rows: serialization failure, deadlock, and a row that it was first to insert.
_CONFLICTS: Final = frozenset({"40001", "40P01", "23505"})
_ATTEMPTS = 6
_FIRST_PAUSE = 0.005  # seconds
_READERS = 4
# To plan a statement anew for its values costs more than to execute it. All of them find their rows by an index, so one
# plan is right for a table of any size; made while it is small, it must not read the whole of it when it has grown.
_PLAN_ONCE: Final = """
    SET plan_cache_mode = force_generic_plan; SET jit = off;
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off
"""


class PostgresDatabase:
    """A PostgreSQL database, or one that speaks its protocol. Any number of nodes use it at the same time."""

    dialect: Dialect = PostgresDialect()

    def __init__(self, url: str, *, timeout: float, read_only: bool = False) -> None:
        self._timeout = timeout
        self._outages = Outages()
        self._engine = _engine(data_source(url, writing=not read_only), timeout)
        self._writing = _KeptConnection(self._engine)
        self._following = _KeptConnection(self._engine.execution_options(isolation_level="AUTOCOMMIT"))
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction; again after a conflict with another node, or a connection lost before COMMIT.

        When the answer to a COMMIT is lost nobody knows whether it counts; what follows is the caller's to decide.
        """
        for attempt in range(1, _ATTEMPTS):
            try:
                return await self._run(self._writing.transaction, work)
            except _ConflictError:
                # Other nodes have just done the same: pauses of random length keep them from meeting again.
                await asyncio.sleep(random.uniform(0, _FIRST_PAUSE * 2**attempt))  # noqa: S311 - no secret
        return await self._run(self._writing.transaction, work, last=True)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a snapshot."""

        async def snapshot(work: Callable[[Connection], T]) -> T:
            async with self._snapshots.begin() as connection:
                return await connection.run_sync(work)

        return await self._run(snapshot, work, last=True)

    async def follow(self, work: Callable[[Connection], T]) -> T:
        """Run `work` without a transaction: each statement sees what was committed when it began."""
        return await self._run(self._following.use, work, last=True)

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

    async def _run(
        self,
        run: Callable[[Callable[[Connection], T]], Awaitable[T]],
        work: Callable[[Connection], T],
        *,
        last: bool = False,
    ) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await run(work)
        except _ConflictError as error:
            if last:
                raise self._outages.refusal(error) from error
            raise
        except DBAPIError as error:
            if not last and getattr(error.orig, "sqlstate", None) in _CONFLICTS:
                raise _ConflictError from error
            if isinstance(error, _DEFECTS):
                raise
            raise self._outages.refusal(error) from error
        except _OUTAGES as error:
            raise self._outages.refusal(error) from error


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

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run `work` and commit."""

        def transaction(connection: Connection) -> T:
            with connection.begin():
                try:
                    return work(connection)
                except DBAPIError as error:
                    if error.connection_invalidated:  # before COMMIT, so that it is certain that nothing counts
                        raise _ConflictError from error
                    raise

        return await self.use(transaction)

    async def use(self, work: Callable[[Connection], T]) -> T:
        """Run `work`."""
        async with self._free:
            if self._connection is None:
                self._connection = await self._engine.connect()
            try:
                return await self._connection.run_sync(work)
            except _DEFECTS:
                raise
            except BaseException:
                # In which state it is nobody knows: a time-out may have come in the middle of an answer.
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
        except BaseException:
            connection.terminate()
            raise
        return connection

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
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
