"""Owns the decision whether, and after which pause, a failed call is made again: pure, chance comes in."""

from dataclasses import dataclass
from typing import Final

from tokensvc_client.errors import BusyError, DeadlineExceededError, TokenServiceError, UnavailableError

_FIRST_PAUSE: Final = 0.1  # seconds
_LONGEST_PAUSE: Final = 1.0


@dataclass(frozen=True)
class Retries:
    """How often a call is made again, always within its deadline.

    A call that found no connection, or lost it, is repeated where that is safe, `attempts` in all: 1 is never. The
    pauses grow from a tenth of a second. With `when_busy` also a call that was refused with RATE_LIMITED or OVERLOADED,
    which is always safe, after the pause that the service has named and by chance up to as long again. Without it the
    caller is told, and may do something better than to wait.
    """

    attempts: int = 4
    when_busy: bool = False

    def pause(self, error: TokenServiceError, attempt: int, *, is_repeatable: bool, chance: float) -> float | None:
        """Seconds to wait after `attempt` (from 1) failed with `error`; None to give up. `chance` is from 0 to 1."""
        if attempt >= self.attempts:
            return None
        match error:
            case BusyError():
                named = error.retry_after.total_seconds() if error.retry_after is not None else _FIRST_PAUSE
                return named * (1 + chance) if self.when_busy else None
            case UnavailableError() if is_repeatable and not isinstance(error, DeadlineExceededError):
                return min(_FIRST_PAUSE * 2.0 ** (attempt - 1), _LONGEST_PAUSE) * (0.5 + chance)
            case _:
                return None


class RetryBudget:
    """Stops repeating while most calls fail, so that retries do not keep a service down (gRPC's proposal A6).

    Each failure takes one of ten, each success gives back a tenth; calls are repeated while there is more than half.
    Threads may share it: an update that is lost changes little.
    """

    _MOST: Final = 10.0
    _BACK: Final = 0.1

    def __init__(self) -> None:
        self._left = self._MOST

    @property
    def allows(self) -> bool:
        """Whether a failed call may be repeated now."""
        return self._left > self._MOST / 2

    def succeeded(self) -> None:
        """A call was answered."""
        self._left = min(self._left + self._BACK, self._MOST)

    def failed(self) -> None:
        """A call failed in a way that is repeated."""
        self._left = max(self._left - 1, 0.0)
