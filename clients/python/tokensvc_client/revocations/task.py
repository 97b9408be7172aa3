"""Owns following the stream of revocations in an asyncio task."""

import asyncio
import random
from logging import getLogger
from types import TracebackType
from typing import Final, Self

from tokensvc_client.revocations.clocks import Clock, elapsed
from tokensvc_client.revocations.feed import Feed
from tokensvc_client.revocations.following import (
    MOST_ENTRIES,
    BrokenStreamError,
    Following,
    Patience,
    TooManyError,
)
from tokensvc_client.revocations.source import AsyncRevocationSource, AsyncRevocationStream, StreamLostError
from tokensvc_client.revocations.view import NotUnderstoodError

_log: Final = getLogger(__name__)


class AsyncRevocationFeed(Feed):
    """Follows from `start` to `close`, or as an asynchronous context manager."""

    def __init__(
        self,
        source: AsyncRevocationSource,
        *,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        clock: Clock = elapsed,
        most: int = MOST_ENTRIES,
    ) -> None:
        """More than `most` live revocations are not followed: it is infinitely stale then, and says so in the log."""
        super().__init__(Following(random.random, patience, most), clock)
        self._source = source
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> Self:
        """Begin to follow, once, in the running loop."""
        self._task = asyncio.create_task(self._follow(), name="tokensvc revocations")
        return self

    async def close(self) -> None:
        """Stop following. What is known stays as it is, and ages."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def wait_until_fresh(self, timeout: float, *, max_staleness: float = 1.0) -> None:
        """Wait until it is at most `max_staleness` seconds old; fails with TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: self.staleness <= max_staleness)

    async def _follow(self) -> None:
        while True:
            refused = await self._follow_one()
            await asyncio.sleep(self._following.lost(refused=refused))

    async def _follow_one(self) -> bool:
        """Follow one stream to its end; answer whether its revision was refused."""
        try:
            await self._read(self._source.watch_revocations(self._following.begin(self._clock())))
        except StreamLostError as lost:
            _log.warning("the stream of revocations was lost: %s", lost)
            return lost.refused
        except TimeoutError:
            _log.warning("nothing came on the stream of revocations")
        except (BrokenStreamError, NotUnderstoodError) as error:
            _log.warning("the stream of revocations makes no sense: %s", error)
        except TooManyError as error:
            _log.error("revocations are not known: %s", error)
        except Exception:  # noqa: BLE001 - without this task verifiers would accept nothing ever after
            _log.exception("the stream of revocations cannot be followed")
        return False

    async def _read(self, stream: AsyncRevocationStream) -> None:
        messages = aiter(stream)
        try:
            while True:
                async with asyncio.timeout(self._following.dead_at() - self._clock()):
                    message = await anext(messages, None)
                if message is None:
                    return
                goes_on = self._following.receive(message, self._clock())
                async with self._changed:
                    self._changed.notify_all()
                if not goes_on:
                    return
        finally:
            stream.cancel()
