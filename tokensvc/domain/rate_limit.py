"""Owns how often a client may call."""

import math
from typing import Final

from tokensvc.domain.value import value

LEAST_PER_SECOND: Final = 0.001
MOST_PER_SECOND: Final = 100_000
MOST_BURST: Final = 100_000


@value(frozen=True, slots=True)
class RateLimit:
    """So many calls `per_second` in the long run, and `burst` of them at once after a pause.

    With zero `per_second` there is no limit; with zero `burst` it is as many calls as a second has, and one at least.
    """

    per_second: float = 0.0
    burst: int = 0

    @property
    def calls_at_once(self) -> int:
        """How many calls may come in one moment."""
        return self.burst or max(1, math.floor(self.per_second))


NO_LIMIT: Final = RateLimit()
