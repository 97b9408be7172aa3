"""Owns what many have used of a rate: one number for each, and none for those who have all of it again."""

from typing import Generic, TypeVar

W = TypeVar("W")

_FEW = 1000
_INEXACT = 1e-6  # seconds: sums of steps are not exact


class Allowances(Generic[W]):
    """Gives each of many so much at once, and so much a second in the long run (the generic cell rate algorithm).

    Of each it keeps until when what was taken has not come back. A moment that is over says nothing more; those are
    dropped whenever the others may have doubled. So it is as large as the number of those who use it in a short time.
    """

    def __init__(self) -> None:
        self._used_until: dict[W, float] = {}
        self._most = _FEW

    def take(self, who: W, now: float, *, per_second: float, at_once: float, cost: float = 1) -> float:
        """Take `cost` if there is one left, and answer zero; else answer in how many seconds there will be one.

        `now` is in seconds of a clock that is never set. What costs more than is left is paid for by waiting longer
        afterwards.
        """
        used_until = max(self._used_until.get(who, now), now)
        wait = used_until + 1 / per_second - now - at_once / per_second
        if wait > _INEXACT:
            return wait
        self._used_until[who] = used_until + cost / per_second
        if len(self._used_until) > self._most:
            self._used_until = {each: until for each, until in self._used_until.items() if until > now}
            self._most = max(_FEW, 2 * len(self._used_until))
        return 0.0
