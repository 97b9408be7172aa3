"""Owns group commit: units that arrive while a transaction is under way share the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from tokensvc.domain.errors import overloaded
from tokensvc.gathering import Gathering
from tokensvc.ports import Committed, Unit
from tokensvc.sharing import share_error
from tokensvc.store.outages import is_outage

T = TypeVar("T")
Transact = Callable[[Sequence[Unit[Any]]], Awaitable[Sequence[Committed[Any]]]]
_Future = asyncio.Future[Committed[Any]]
_Waiting = tuple[_Future, Unit[Any]]


@dataclass(slots=True)
class CommitCounts:
    """What a group commit has done since it began."""

    units: int = 0
    batches: int = 0
    lingers: int = 0


class GroupCommit:
    """Collects units into batches for `transact`.

    Batches run in a task of their own: a caller that goes away before its unit's turn drops the unit, and after it the
    answer alone, never the write. While batches hold more than one unit the next one lingers until those callers are
    back, in steps of `linger` seconds, because most of a transaction's cost is the same for one unit and for fifty; a
    lone caller never waits.
    """

    def __init__(self, transact: Transact, *, linger: float, most: int = 512, most_waiting: int = 4096) -> None:
        """A batch has `most` units; beyond `most_waiting` for theirs, the next is refused."""
        self._transact = transact
        self._linger = linger
        self._gathering = Gathering(linger)
        self._most = most
        self._most_waiting = most_waiting
        self._queue: dict[_Future, Unit[Any]] = {}
        self._runner: asyncio.Task[None] | None = None
        self.counts = CommitCounts()

    async def commit(self, unit: Unit[T]) -> Committed[T]:
        """Answer when `unit` is durable, or with the error that it alone has caused.

        Refuses with OVERLOADED when too many wait: nothing of it is done then.
        """
        if len(self._queue) >= self._most_waiting:
            raise overloaded("too many writes wait")
        future: asyncio.Future[Committed[T]] = asyncio.get_running_loop().create_future()
        self._queue[future] = unit
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        try:
            return await future
        except asyncio.CancelledError:
            self._queue.pop(future, None)
            raise

    async def drain(self) -> None:
        """Return when everything queued has been answered."""
        while self._runner is not None:
            await asyncio.wait([self._runner])

    async def _run(self) -> None:
        try:
            while self._queue:
                batch = list(islice(self._queue.items(), self._most))
                for future, _ in batch:
                    del self._queue[future]
                await self._serve([waiting for waiting in batch if not waiting[0].done()])
                if self._linger and len(batch) + len(self._queue) > 1:
                    self.counts.lingers += 1
                    await self._gathering.more(lambda: len(self._queue))
        finally:
            self._runner = None

    async def _serve(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        self.counts.batches += 1
        self.counts.units += len(batch)
        try:
            results = await self._transact([unit for _, unit in batch])
        except Exception as error:  # noqa: BLE001 - what one unit's decision or row raises concerns that unit alone
            if len(batch) == 1 or is_outage(error):
                share_error((future for future, _ in batch), error)
            else:
                for waiting in batch:
                    await self._serve([waiting])
        else:
            for (future, _), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
