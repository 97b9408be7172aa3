"""Owns the art of waiting a little for others: work that is done together costs far less than one by one."""

import asyncio
from collections.abc import Callable

_PATIENCE = 6  # quiet steps
_PATIENCE_OF_FEW = 2
_FEW = 8
_MOST_STEPS = 16
_DENSE = 2  # in a step: fewer are not worth waiting for; of heavy calls hardly more come back while it is at work
_PLENTY = 64
_SOON = 4  # rounds
_LATE = 64


class Gathering:
    """Waits for those who are likely to come, in steps of so many seconds.

    Callers that are answered together come back together, about as many as before: so it is enough to wait for as many.
    When fewer come, fewer and fewer are expected. Whether there are more is found out by waiting, now and then, for
    twice as many; so groups that have formed apart merge. The longer there were none, the rarer that is.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._expected = 0
        self._pause = _SOON  # from one search for more to the next
        self._rounds = 0  # until the next search

    async def more(self, count: Callable[[], int]) -> None:
        """Wait while `count` grows.

        Return when those expected are there, or when few came for six steps (those who were answered together are
        under way for a while, one after the other); for two where few are expected, who gain little by it. A constant
        stream would go on for ever: so return after sixteen steps too, or with so many that more of them gain little,
        or when a step for every two that are hoped for is over, so that a thin stream is soon not waited for at all.
        """
        searching = self._rounds == 0
        hoped = max(2 * self._expected, _FEW) if searching else self._expected
        patience = _PATIENCE if self._expected >= _FEW else _PATIENCE_OF_FEW
        enough = min(hoped, _PLENTY)
        most = min(max(hoped // _DENSE, _PATIENCE_OF_FEW), _MOST_STEPS)
        quiet = 0
        for _ in range(most):
            before = count()
            await asyncio.sleep(self._step)
            after = count()
            quiet = quiet + 1 if after < before + _DENSE else 0
            if quiet == patience or after >= enough:
                break
        self._learn(after, searching=searching)

    def _learn(self, came: int, *, searching: bool) -> None:
        if came > self._expected:
            self._pause = _SOON
        elif searching:
            self._pause = min(2 * self._pause, _LATE)
        self._rounds = (self._pause if searching else self._rounds) - 1
        self._expected = max(came, self._expected * 3 // 4)
