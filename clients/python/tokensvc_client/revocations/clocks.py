"""Owns the clock by which spans are measured."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

Clock = Callable[[], float]
"""Answers seconds, from a moment that is always the same."""


def _boot_clock() -> Clock:
    if hasattr(time, "CLOCK_BOOTTIME"):
        return partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    return time.monotonic


elapsed: Final[Clock] = _boot_clock()
"""Is never set, and on Linux goes on while the machine is suspended: what was known before is as old as it is then."""
