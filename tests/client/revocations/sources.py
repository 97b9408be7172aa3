"""Sources of streams that tests speak through: each stream says what it is told to, and knows when it is cancelled."""

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tokensvc_client.revocations import StreamLostError


class FakeStream:
    """A stream for threads. `say` a message, or an exception to fail with."""

    def __init__(self, from_revision: int) -> None:
        self.from_revision = from_revision
        self.is_cancelled = False
        self._said: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def say(self, item: Any) -> None:
        """The next message, or the end by an exception."""
        self._said.put(item)

    def cancel(self) -> None:
        """Whoever reads is told."""
        self.is_cancelled = True
        self.say(StreamLostError("cancelled"))

    def __iter__(self) -> Iterator[Any]:
        while not isinstance(item := self._said.get(), Exception):
            yield item
        raise item


class FakeSource:
    """Gives out streams, and hands them to the test as they are asked for."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        """What the next streams cannot be opened for."""
        self._streams: queue.SimpleQueue[FakeStream] = queue.SimpleQueue()

    def watch_revocations(self, from_revision: int) -> FakeStream:
        """A new stream."""
        if self.failures:
            raise self.failures.pop()
        stream = FakeStream(from_revision)
        self._streams.put(stream)
        return stream

    def next(self) -> FakeStream:
        """The next stream that was asked for."""
        return self._streams.get(timeout=10)


class AsyncFakeStream:
    """The same for asyncio."""

    def __init__(self, from_revision: int) -> None:
        self.from_revision = from_revision
        self.is_cancelled = False
        self._said: asyncio.Queue[Any] = asyncio.Queue()

    def say(self, item: Any) -> None:
        """The next message, or the end by an exception."""
        self._said.put_nowait(item)

    def cancel(self) -> None:
        """It is over."""
        self.is_cancelled = True

    async def __aiter__(self) -> AsyncIterator[Any]:
        while not isinstance(item := await self._said.get(), Exception):
            yield item
        raise item


class AsyncFakeSource:
    """The same for asyncio."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self._streams: asyncio.Queue[AsyncFakeStream] = asyncio.Queue()

    def watch_revocations(self, from_revision: int) -> AsyncFakeStream:
        """A new stream."""
        if self.failures:
            raise self.failures.pop()
        stream = AsyncFakeStream(from_revision)
        self._streams.put_nowait(stream)
        return stream

    async def next(self) -> AsyncFakeStream:
        """The next stream that was asked for."""
        async with asyncio.timeout(10):
            return await self._streams.get()
