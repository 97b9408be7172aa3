"""A database for the tests of the follower: what it answers, when, and how often it was asked."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, create_engine, delete, insert, update
from sqlalchemy.pool import StaticPool

from tests.store.samples import an_entry, sid
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.revocation import EntryKind
from tokensvc.ports import BEAT
from tokensvc.store import schema
from tokensvc.store.dialects import SqliteDialect
from tokensvc.store.rows import log_row

T = TypeVar("T")


class FakeDatabase:
    """A database in memory whose reads are counted, and held or failed at will."""

    dialect = SqliteDialect()

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        schema.metadata.create_all(self._engine)
        with self._engine.begin() as connection:
            connection.execute(insert(schema.log_head).values(id=1, revision=0))
        self.version: int | None = 1
        self.head = 0
        self.reads = 0
        self.comparisons = 0
        self.fails = 0  # how many reads are yet to fail
        self.error: Exception = RefusedError(Reason.STORE_UNAVAILABLE, "the database is not available")
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def append(self, key: str) -> None:
        """Commit a log entry that ends the session `key`."""
        self.head += 1
        self.version = self.version and self.version + 1
        entry = an_entry(EntryKind.SESSION, sid(key)).with_revision(self.head)
        with self._engine.begin() as connection:
            connection.execute(insert(schema.revocation_log).values(log_row(entry)))
            connection.execute(update(schema.log_head).values(revision=self.head))

    def beat(self, at: int) -> None:
        """Commit a renewal of the beat at the moment `at`."""
        with self._engine.begin() as connection:
            connection.execute(delete(schema.leases))
            connection.execute(insert(schema.leases).values(name=BEAT, holder="", expires_at=at, renewed_at=at))

    def prune(self) -> None:
        """Delete the first entry of the log."""
        with self._engine.begin() as connection:
            connection.execute(delete(schema.revocation_log).where(schema.revocation_log.c.revision == 1))

    def set_back(self) -> None:
        """Return to an empty log, as a database that is restored from a backup."""
        self.head, self.version = 0, 1000
        with self._engine.begin() as connection:
            connection.execute(delete(schema.revocation_log))
            connection.execute(update(schema.log_head).values(revision=0))

    async def follow(self, work: Callable[[Connection], T]) -> T:
        """As `read`."""
        return await self.read(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Answer from the state at the moment of the call, when it may."""
        self.reads += 1
        failing = self.fails > 0
        self.fails = max(0, self.fails - 1)
        with self._engine.connect() as connection:
            answer = work(connection)
        await self.may_answer.wait()
        if failing:
            raise self.error
        return answer

    async def write(self, work: Callable[[Connection], T]) -> T:
        """A follower never writes."""
        raise AssertionError

    def data_version(self) -> int | None:
        """Counts the commits, unless the test says that this database cannot tell."""
        self.comparisons += 1
        return self.version

    async def close(self) -> None:
        """As the protocol says."""
        self._engine.dispose()
