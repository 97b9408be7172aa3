"""Owns what is said of a database that fails: the refusal, and a line in the log, but not one for each call."""

import time
from collections.abc import Callable

import structlog

from tokensvc.domain.errors import Reason, RefusedError

_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Outages:
    """Turns the errors of one database into refusals; under load an outage would fill the log within minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_until = float("-inf")
        self._unsaid = 0

    def refusal(self, error: BaseException) -> RefusedError:
        """Answer the refusal that `error` leads to. It is logged unless one was within the last second."""
        now = self._clock()
        if now < self._silent_until:
            self._unsaid += 1
        else:
            words = str(getattr(error, "orig", None) or error) or type(error).__name__
            _log.error("the database failed", error=words, unsaid=self._unsaid)
            self._silent_until, self._unsaid = now + _SECONDS, 0
        return unavailable()


def unavailable() -> RefusedError:
    """What the caller is told when the database fails; the driver's words go into the cause."""
    return RefusedError(Reason.STORE_UNAVAILABLE, "the database is not available")


def is_outage(error: Exception) -> bool:
    """Whether `error` is the database's and not that of what was asked of it."""
    return isinstance(error, RefusedError) and error.reason is Reason.STORE_UNAVAILABLE
