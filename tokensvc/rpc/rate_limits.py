"""Owns the rate limits of callers: who calls more often than it may is told when to come back."""

from collections.abc import Callable

from tokensvc.domain.client import Client
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.rate_limit import RateLimit
from tokensvc.rpc.allowances import Allowances

Seconds = Callable[[], float]
"""A clock that is never set; what it counts from means nothing."""


class RateLimits:
    """Counts the calls of each client that has a limit, in this process alone. A changed limit begins afresh."""

    def __init__(self, clock: Seconds) -> None:
        self._clock = clock
        self._allowances = Allowances[tuple[str, RateLimit]]()

    def check(self, caller: Client) -> None:
        """Refuse with RATE_LIMITED as `count` would, and count nothing."""
        self.count(caller, 0)

    def count(self, caller: Client, calls: int) -> None:
        """Count a call of `caller` as so many `calls`; refuses with RATE_LIMITED one too many, if it has a limit."""
        limit = caller.rate_limit
        if not limit.per_second:
            return
        wait = self._allowances.take(
            (caller.client_id, limit),
            self._clock(),
            per_second=limit.per_second,
            at_once=limit.calls_at_once,
            cost=calls,
        )
        if wait:
            raise RefusedError(Reason.RATE_LIMITED, "the caller calls more often than it may", retry_after=wait)
