"""Owns slowing down who causes many refusals: who guesses has to wait for the answers, and takes nobody's time."""

import asyncio
from collections import Counter
from typing import Final

from tokensvc.domain.errors import ABOUT_CREDENTIALS, Reason

DELAYED: Final = ABOUT_CREDENTIALS | {Reason.INVALID_REQUEST}
"""What callers get for bad requests, credentials and tokens, and no honest one gets all the time."""

AT_ONCE: Final = 20  # refusals of a caller that are answered without delay in each second
MOST_WAITING: Final = 10_000
_SPREAD: Final = 0.5  # of the delay, up and down
_GOLDEN: Final = 0.618033988749895  # steps of this size fill the unit interval evenly, however many there are


class RefusalDelay:
    """Lets refusals wait that are too many for their caller, for about so many seconds, which costs no work.

    Who sends the next call when the last one is answered sends one a second in place of each connection's thousand.
    Waiting answers are spread over time: coming back together, their callers would hold up others for a moment.
    """

    def __init__(self, seconds: float) -> None:
        """With zero `seconds` nobody ever waits."""
        self._seconds = seconds
        self._refused = Counter[str]()  # in this second, by caller
        self._second_ends = 0.0
        self._place = 0.0
        self._waiting: set[asyncio.Future[None]] = set()

    async def turn(self, caller: str, reason: Reason, most: float) -> None:
        """Return when the refusal of `caller` may be answered, after `most` seconds at the latest.

        Strangers are one caller, the empty one. When too many wait already, it is answered at once.
        """
        if reason not in DELAYED or not self._seconds or self._is_early(caller) or len(self._waiting) >= MOST_WAITING:
            return
        self._place = (self._place + _GOLDEN) % 1
        seconds = self._seconds * (1 - _SPREAD + 2 * _SPREAD * self._place)
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        timer = loop.call_later(max(0, min(seconds, most)), _end, over)
        self._waiting.add(over)
        try:
            await over
        finally:
            timer.cancel()
            self._waiting.discard(over)

    def stop(self) -> None:
        """Let all go on who wait; nobody waits from now on."""
        self._seconds = 0
        for over in self._waiting:
            _end(over)

    def _is_early(self, caller: str) -> bool:
        """Whether this is among the first refusals of `caller` in this second."""
        now = asyncio.get_running_loop().time()
        if now >= self._second_ends:
            self._second_ends = now + 1
            self._refused.clear()
        self._refused[caller] += 1
        return self._refused[caller] <= AT_ONCE


def _end(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
