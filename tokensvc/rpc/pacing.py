"""Owns pacing: under load RPCs go on in groups, on a shared tick, because waking threads costs more than they do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tokensvc.gathering import Gathering
from tokensvc.sharing import share_error

T = TypeVar("T")
R = TypeVar("R")

_WINDOW = 0.01
_REST = 0.1  # seconds after the first try that did not pay
_LONGEST_REST = 0.4
_MEMORY = 8  # ticks
_SHORT_MEMORY = 4
_LITTLE = 4
_CREDIT = 1.6


@dataclass(slots=True)
class PaceCounts:
    """What a pacer has done since it began."""

    rpcs: int = 0
    paced: int = 0
    ticks: int = 0


class Pacer(Generic[T]):
    """Makes RPCs that arrive close together take their turns together, and asks `prepare` once for all of them.

    Most of an RPC's cost in grpc.aio is waking the threads inside it; a group of RPCs that go on in the same moment
    wakes them once. Whether that pays cannot be seen from the rate, which is high for a lone fast caller too: so a busy
    server tries a few ticks, and goes on as long as they gather enough; when they do not, it rests, and the longer the
    more often that happens.

    RPCs pass on their way in, to look at the database once for all. What needs nothing more is done at once, in a row
    for the whole group, and so their answers leave together. The others each do their own work and pass once more on
    their way out, because what wakes most is sending an answer.
    """

    def __init__(self, tick: float, prepare: Callable[[], Awaitable[T]], *, enough: int = 9, busy: int = 16) -> None:
        self._tick = tick
        self._prepare = prepare
        self._gathering = Gathering(tick)
        self._enough = enough  # RPCs a tick that make pacing pay
        self._busy = busy  # arrivals in one window that make a try worth while
        self._waiting: list[tuple[asyncio.Future[Any], Callable[[T], Any]]] = []
        self._ticking: asyncio.Task[None] | None = None
        self._average = 0.0  # RPCs a tick over the last few; zero between tries
        self._rest = _REST
        self._window_ends = 0.0
        self._arrivals = 0
        self.counts = PaceCounts()

    def turn(self, begin: Callable[[T], R]) -> Awaitable[R]:
        """What the caller waits for before it goes on: nothing while pacing does not pay, else the next tick.

        `begin` is given what `prepare` has answered when it was asked after this call, and its answer is the answer.
        """
        self.counts.rpcs += 1
        if self._ticking is None:
            if not self._tick or not (self._average or self._is_busy()):
                return self._alone(begin)
            self._ticking = asyncio.create_task(self._run_tick())
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, begin))
        return future

    async def _alone(self, begin: Callable[[T], R]) -> R:
        return begin(await self._prepare())

    def _is_busy(self) -> bool:
        """Whether enough RPCs have arrived within a short time to try a tick."""
        now = asyncio.get_running_loop().time()
        if now >= self._window_ends:
            self._window_ends, self._arrivals = now + _WINDOW, 0
        self._arrivals += 1
        return self._arrivals >= self._busy

    async def _run_tick(self) -> None:
        await self._gathering.more(lambda: len(self._waiting))
        waiting, self._waiting, self._ticking = self._waiting, [], None
        self.counts.ticks += 1
        self.counts.paced += len(waiting)
        self._judge(len(waiting))
        try:
            prepared = await self._prepare()
        except Exception as error:  # noqa: BLE001 - what it is concerns the callers
            futures = [future for future, _ in waiting]
            waiting.clear()
            share_error(futures, error)
        else:
            waiting.reverse()
            while waiting:  # emptied, because an error that is kept for a while keeps this frame
                _begin(*waiting.pop(), prepared)

    def _judge(self, gathered: int) -> None:
        # A try begins with credit: RPCs come together only because of the ticks, so the first ones gather few.
        average = self._average or _CREDIT * self._enough
        # Under load some ticks gather little, between two bursts; next to nothing is what a lone caller brings.
        memory = _MEMORY if _LITTLE * gathered > average else _SHORT_MEMORY
        self._average = average + (gathered - average) / memory
        if gathered >= self._enough:
            self._rest = _REST
        if self._average < self._enough:
            self._average = 0.0
            self._window_ends, self._arrivals = asyncio.get_running_loop().time() + self._rest, -(2**30)
            self._rest = min(2 * self._rest, _LONGEST_REST)


def _begin(future: asyncio.Future[R], begin: Callable[[T], R], prepared: T) -> None:
    if future.done():
        return
    try:
        future.set_result(begin(prepared))
    except StopIteration as error:  # which a future does not take
        future.set_exception(RuntimeError(f"begin has raised {error!r}"))
    except Exception as error:  # noqa: BLE001 - what it is concerns this caller alone
        future.set_exception(error)
