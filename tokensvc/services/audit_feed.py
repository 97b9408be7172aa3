"""Owns up to where the audit trail can be read in order: numbers may be committed out of order, or never."""

import asyncio
from collections import deque
from typing import Final

from tokensvc.domain.errors import RefusedError
from tokensvc.ports import AuditQuery, Store

_INTERVAL: Final = 0.25  # seconds
_PAGE: Final = 10_000
_LOOK_BACK: Final = 10_000  # numbers, behind which no transaction can have drawn one that it has not committed yet
_STALE: Final = 10.0  # seconds without a look, after which it begins anew


class AuditFeed:
    """Looks at the trail for all its watchers, as long as there are any.

    Behind `frontier` there may be numbers that are drawn and not committed. A gap is passed when its transaction must
    be over: what lies below a number that was seen was drawn before that, and a transaction takes at most `patience`
    seconds. Zero is for stores whose numbers are committed in their order.
    """

    def __init__(self, store: Store, *, patience: float) -> None:
        self._store = store
        self._patience = patience
        self.frontier = 0
        self._ahead: list[int] = []  # numbers that are committed already, behind the frontier
        self._seen: deque[tuple[float, int]] = deque()  # when which number was the highest
        self._settled = 0  # below this number everything is committed that ever will be
        self._looked_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[RefusedError | None] | None = None
        self._waiting = 0

    async def now(self) -> tuple[int, frozenset[int]]:
        """The frontier, and what is committed behind it, in a moment after this call."""
        async with self._one_at_a_time:
            await self._look()
        return self.frontier, frozenset(self._ahead)

    async def beyond(self, number: int) -> int:
        """Wait until the frontier is beyond `number`, and answer it; refuses with STORE_UNAVAILABLE."""
        while self._is_stale() or self.frontier <= number:
            await self._next_look()
        return self.frontier

    async def _next_look(self) -> None:
        """Wait for the look to come, which all share. It is dropped when nobody waits any more."""
        if self._next is None:
            self._next = asyncio.create_task(self._look_soon())
        task = self._next
        self._waiting += 1
        try:
            error = await asyncio.shield(task)
        finally:
            self._waiting -= 1
            if not self._waiting:
                task.cancel()
                self._next = None
        if error is not None:
            raise RefusedError(error.reason, error.message)

    async def _look_soon(self) -> RefusedError | None:
        """A look; its refusal is a value, because there may be several who wait or nobody."""
        try:
            if not self._is_stale():
                await asyncio.sleep(_INTERVAL)
            async with self._one_at_a_time:
                await self._look()
        except RefusedError as error:
            return error
        finally:
            self._next = None
        return None

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        if self._is_stale():
            newest = await self._store.audit_events(AuditQuery(newest_first=True, limit=1))
            highest = newest.records[0].sequence if newest.records else 0
            self.frontier = max(0, highest - (_LOOK_BACK if self._patience else 0))
            self._settled = 0
            self._seen.clear()
        began = loop.time()
        while self._seen and self._seen[0][0] + self._patience <= began:
            self._settled = self._seen.popleft()[1]
        numbers = await self._numbers()
        self._looked_at = loop.time()
        if numbers:
            self._seen.append((self._looked_at, numbers[-1]))
        self._advance(numbers)

    async def _numbers(self) -> list[int]:
        """All that are committed behind the frontier."""
        numbers: list[int] = []
        while True:
            page = await self._store.audit_numbers(numbers[-1] if numbers else self.frontier, _PAGE)
            numbers += page
            if len(page) < _PAGE:
                return numbers

    def _advance(self, numbers: list[int]) -> None:
        """Move the frontier over `numbers` up to the first gap that may still be filled."""
        for place, number in enumerate(numbers):
            if self._patience and number > self._settled and number != self.frontier + 1:
                self._ahead = numbers[place:]
                return
            self.frontier = number
        self._ahead = []

    def _is_stale(self) -> bool:
        return asyncio.get_running_loop().time() - self._looked_at > _STALE + self._patience
