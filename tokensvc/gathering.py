"""Owns the art of waiting a little for others: work that is done together costs far less than one by one."""

import asyncio
from collections.abc import Callable

_QUIET_STEPS = 2
_MOST_STEPS = 8


async def gather_more(count: Callable[[], int], expected: int, step: float) -> None:
    """Wait in steps of `step` seconds while `count` grows.

    Return when it has reached `expected`, when nothing came for two steps (one alone may only be the event loop at work
    on other things), or after eight steps: under a constant stream it would grow for ever.
    """
    quiet = 0
    for _ in range(_MOST_STEPS):
        before = count()
        await asyncio.sleep(step)
        after = count()
        quiet = quiet + 1 if after == before else 0
        if after >= expected or quiet == _QUIET_STEPS:
            return
