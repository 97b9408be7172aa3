"""Owns the art of waiting a little for others: work that is done together costs far less than one by one."""

import asyncio
from collections.abc import Callable

_QUIET_STEPS = 2
_MOST_STEPS = 8
_PLENTY = 64
_PROBE_EVERY = 4


class Gathering:
    """Waits for those who are likely to come, in steps of so many seconds.

    Callers that are answered together come back together, about as many as before. How many that can be is found out
    by waiting, now and then, until no more come; so groups that have formed apart merge. In between it is enough to
    wait for as many. When fewer come, fewer and fewer are expected.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._expected = 0
        self._rounds = 0

    async def more(self, count: Callable[[], int]) -> None:
        """Wait while `count` grows.

        Return when those expected are there, or when nothing came for two steps (one alone may only be the event loop
        at work on other things). A constant stream would go on for ever: so return after eight steps too, or with so
        many that more of them gain little.
        """
        probing = self._rounds % _PROBE_EVERY == 0
        self._rounds += 1
        enough = _PLENTY if probing else min(self._expected, _PLENTY)
        quiet = 0
        for _ in range(_MOST_STEPS):
            before = count()
            await asyncio.sleep(self._step)
            after = count()
            quiet = quiet + 1 if after == before else 0
            if quiet == _QUIET_STEPS or after >= enough:
                break
        self._expected = max(after, self._expected * 3 // 4 if probing else self._expected)
