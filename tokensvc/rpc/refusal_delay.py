"""Owns slowing down who causes many refusals: who guesses has to wait for the answers, and takes little of our time."""

import asyncio
import gc
import math
from collections import Counter
from typing import Final

from tokensvc.domain.errors import ABOUT_CREDENTIALS, Reason
from tokensvc.rpc.allowances import Allowances

DELAYED: Final = ABOUT_CREDENTIALS | {Reason.INVALID_REQUEST}
"""What callers get for bad requests, credentials and tokens, and no honest one gets all the time."""

AT_ONCE: Final = 20  # refusals of a caller in a moment that are answered without delay, and as many in each second
MOST_A_SECOND: Final = 300  # refusals of a caller that have waited
LONGEST: Final = 5.0  # seconds on average, where many wait
MOST_WAITING: Final = 10_000
_SPREAD: Final = 0.5  # of the delay, up and down
_GOLDEN: Final = 0.618033988749895  # steps of this size fill the unit interval evenly, however many there are
_TICK: Final = 0.01  # seconds
_UNCOLLECTED: Final = 64  # refusals that begin to wait before the youngest objects are collected
_AGING: Final = 1_000  # such collections before those of middle age are


class RefusalDelay:
    """Lets refusals wait that are too many for their caller, for about so many seconds, which costs next to no work.

    Who sends the next call when the last one is answered sends one a second in place of each connection's thousand; and
    where very many of a caller wait they wait longer, so that all of them take a small part of a worker's time.
    Waiting answers are spread over time: coming back together, their callers would hold up others for a moment. But
    they go on ticks, a few together, because one by one the sending costs more than all else.

    The garbage collector is called every so many times, for the youngest objects alone. Each call that waits is dozens
    of them, and when it went through those of a thousand calls everybody was held up for 30 to 50 milliseconds. Being
    called it does not come by itself, so now and then it goes through those of middle age too.
    """

    def __init__(self, seconds: float) -> None:
        """With zero `seconds` nobody ever waits."""
        self._seconds = seconds
        self._early = Allowances[str]()  # by caller
        self._place = 0.0
        self._waiting = Counter[str]()  # by caller
        self.waiting = 0
        """How many refusals wait."""
        self._ticks: dict[int, asyncio.Event] = {}
        self._uncollected = 0

    async def turn(self, caller: str, reason: Reason, most: float) -> None:
        """Return when the refusal of `caller` may be answered, after `most` seconds at the latest.

        Strangers are one caller, the empty one. When too many wait already, it is answered at once.
        """
        if reason not in DELAYED or not self._seconds or self._is_early(caller) or self.waiting >= MOST_WAITING:
            return
        tick = self._tick_at(asyncio.get_running_loop().time() + min(self._seconds_for(caller), most))
        self._waiting[caller] += 1
        self.waiting += 1
        self._collect()
        try:
            await tick.wait()
        finally:
            self.waiting -= 1
            self._waiting[caller] -= 1
            if not self._waiting[caller]:
                del self._waiting[caller]

    def stop(self) -> None:
        """Let all go on who wait; nobody waits from now on."""
        self._seconds = 0
        for number in list(self._ticks):
            self._end(number)

    def _seconds_for(self, caller: str) -> float:
        """How many seconds this refusal of `caller` has to wait."""
        stretched = min(self._waiting[caller] / MOST_A_SECOND, LONGEST)
        self._place = (self._place + _GOLDEN) % 1
        return max(self._seconds, stretched) * (1 - _SPREAD + 2 * _SPREAD * self._place)

    def _tick_at(self, moment: float) -> asyncio.Event:
        """The last tick until then; the one that is just over if there is none."""
        number = math.floor(moment / _TICK)
        if number not in self._ticks:
            self._ticks[number] = asyncio.Event()
            asyncio.get_running_loop().call_at(number * _TICK, self._end, number)
        return self._ticks[number]

    def _end(self, number: int) -> None:
        if tick := self._ticks.pop(number, None):
            tick.set()

    def _collect(self) -> None:
        self._uncollected += 1
        if self._uncollected == _UNCOLLECTED:
            self._uncollected = 0
            gc.collect(1 if gc.get_count()[1] > _AGING else 0)

    def _is_early(self, caller: str) -> bool:
        """Whether this is among the first refusals of `caller`; what they take comes back little by little."""
        return not self._early.take(caller, asyncio.get_running_loop().time(), per_second=AT_ONCE, at_once=AT_ONCE)
