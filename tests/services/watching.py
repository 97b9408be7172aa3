"""Those who watch the revocation log in tests: they note what they are told, and read as fast as they are let."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.fakes import FakeClock
from tests.store.samples import an_entry, writing
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.view import View
from tokensvc.ports import Store
from tokensvc.services.revocation_feed import RevocationFeed, Step
from tokensvc.store.memory import MemoryStore

SOON = 0.1  # seconds in which a look has certainly been taken
QUIET = 0.6  # seconds without news in which a heartbeat has certainly come


class WatchedStore(MemoryStore):
    """Counts the looks at it, and can be gone. Its entries are needed for an hour of the `clock`."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.reads = 0
        self.fails = False

    async def view(self, **freshness: int) -> View:
        """As the store, when it is there."""
        self.looks += 1
        if self.fails:
            raise RefusedError(Reason.STORE_UNAVAILABLE, "gone")
        return await super().view(**freshness)

    async def log_entries(self, after: int, until: int, now: int, limit: int) -> Sequence[LogEntry]:
        """As the store."""
        self.reads += 1
        return await super().log_entries(after, until, now, limit)

    def loses_the_last(self, count: int) -> None:
        """From now on it is an older copy, which has been read anew."""
        entries = self._log[:-count]
        self._log, self._view = [], View()
        for entry in entries:
            self._view.apply(entry)
            self._log.append(entry)


async def end(store: Store, *sessions: str, **fields: Any) -> int:
    """End sessions, at once; answer the revision."""
    entries = tuple(an_entry(EntryKind.SESSION, session, **fields) for session in sessions)
    return (await store.commit(writing(log=entries))).revision


async def note(store: Store, kind: EntryKind, key: str = "", **fields: Any) -> int:
    """Write an entry of any kind; answer the revision."""
    return (await store.commit(writing(log=(an_entry(kind, key, **fields),)))).revision


class Steps:
    """What a feed writes: the steps are known by their bytes, which are as long as they would be on the wire."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def write(self, step: Step) -> bytes:
        """Number it, and take room."""
        self.steps.append(step)
        number = str(len(self.steps) - 1).encode()
        return number.ljust(70 * len(step.entries) + 10)

    def read(self, written: bytes) -> Step:
        """The step that was written so."""
        return self.steps[int(written)]

    def feed(self, store: Store, clock: FakeClock | None = None) -> RevocationFeed:
        """A feed that writes them."""
        return RevocationFeed(store, clock or FakeClock(), self.write)


class Watcher:
    """Notes the steps that it is told; it stops to read while `reads` is not set."""

    def __init__(self, feed: RevocationFeed, steps: Steps, from_revision: int = 0) -> None:
        self.steps: list[Step] = []
        self.written: list[bytes] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self._read = steps.read
        self._task = asyncio.create_task(self._watch(feed, from_revision))

    async def _watch(self, feed: RevocationFeed, from_revision: int) -> None:
        steps = feed.watch(from_revision)
        try:
            async for written in steps:
                self.written.append(written)
                self.steps.append(self._read(written))
                await self.reads.wait()
        finally:
            await steps.aclose()

    @property
    def keys(self) -> list[str]:
        """What was ended, as it came."""
        return [entry.key for step in self.steps for entry in step.entries]

    @property
    def revisions(self) -> list[int]:
        """What each step has completed."""
        return [step.revision for step in self.steps]

    async def leave(self) -> None:
        """Go away."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def failed(self) -> BaseException | None:
        """Wait for the end, and answer what it was."""
        await asyncio.wait([self._task], timeout=60)
        return self._task.exception()
