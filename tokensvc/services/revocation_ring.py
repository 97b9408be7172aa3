"""Owns the latest steps of the revocation log: each is kept once for all watchers, and only so many of them."""

import asyncio
from collections import deque
from typing import Final

from tokensvc.domain.errors import RefusedError, overloaded
from tokensvc.services.snapshot_parts import SnapshotParts

MOST_STEPS: Final = 1024
MOST_BYTES: Final = 8 * 1024 * 1024


class Ring:
    """The steps of one uninterrupted following of the log; `watchers` go through it, each at a place of its own.

    What was added up to now tells everything up to `revision`, and with it all that was committed before `looked_at`
    (milliseconds).
    """

    def __init__(self) -> None:
        self.watchers = 0
        self.revision = -1  # before the first look
        self.looked_at = 0
        self.told_at = 0.0  # when the latest step was added, in seconds
        self.parts = SnapshotParts()  # of as long as the log is followed without a break
        self._first = 0
        self._bytes = 0
        self._steps: deque[bytes] = deque()
        self._error: Exception | None = None
        self._moved = asyncio.Event()

    @property
    def end(self) -> int:
        """The place of the step to come."""
        return self._first + len(self._steps)

    def holds(self, place: int) -> bool:
        """Whether a watcher at `place` has missed nothing."""
        return place >= self._first

    def begin(self, revision: int, looked_at: int, now: float) -> None:
        """What comes from now on lies behind `revision`."""
        self.revision, self.looked_at, self.told_at = revision, looked_at, now
        self._wake()

    def add(self, step: bytes, revision: int, now: float) -> None:
        """Tell all watchers this step, which completes everything up to `revision`; the oldest ones make room."""
        self._steps.append(step)
        self._bytes += len(step)
        while len(self._steps) > MOST_STEPS or self._bytes > MOST_BYTES:
            self._bytes -= len(self._steps.popleft())
            self._first += 1
        self.revision, self.told_at = revision, now
        self._wake()

    def fail(self, error: Exception) -> None:
        """No step comes any more."""
        self._error = error
        self._wake()

    async def has_reached(self, revision: int) -> None:
        """Wait for `revision`; fails with the ring."""
        while self.revision < revision:
            await self._next()

    async def step(self, place: int) -> bytes:
        """The step at `place`, as soon as there is one. Refuses who has fallen behind; fails with the ring."""
        while place >= self.end:
            await self._next()
        if not self.holds(place):
            raise overloaded("the caller reads too slowly")
        return self._steps[place - self._first]

    async def _next(self) -> None:
        if isinstance(self._error, RefusedError):  # each gets one of its own: tracebacks must not mix
            raise RefusedError(self._error.reason, self._error.message)
        if self._error is not None:
            raise self._error
        await self._moved.wait()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
