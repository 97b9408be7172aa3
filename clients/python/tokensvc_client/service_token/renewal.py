"""Owns when a token is issued anew: its life in numbers, and one call at a time, whoever asks."""

import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from tokensvc_client.flights import Begin, Flight
from tokensvc_client.values.tokens import Tokens

_RENEWED_AT: Final = 0.75  # of its life, and up to
_SPREAD: Final = 0.1  # later by chance, so that services which began together do not come together
_USED_UNTIL: Final = 0.95  # of its life: what is sent has to arrive
_PAUSE: Final = 1.0  # seconds after a failed attempt, twice as many after each further one,
_LONGEST_PAUSE: Final = 10.0  # up to here; by chance down to half of it
_MOST_FAILURES: Final = 10  # that are counted: the pause is the longest by then
_DROPS: Final = 10.0  # seconds: whoever refuses a token so soon after the one before refuses any


@dataclass(frozen=True, slots=True)
class _Kept:
    token: str = field(repr=False)
    until: float


class Renewal:
    """A token that is used by all, and renewed by one call for all. Any thread may ask, or any task of one loop."""

    def __init__(
        self,
        issue: Callable[[], Awaitable[Tokens]],
        begin: Begin,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        """`clock` answers seconds, `chance` something from 0 to 1."""
        self._issue = issue
        self._begin = begin
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._flight: Flight[str] | None = None
        self._renew_at = self._drop_at = self._try_at = float("-inf")
        self._failures = 0
        self._failure: Exception | None = None

    async def token(self, *, timeout: float | None = None) -> str:
        """The token, to be sent as `authorization: Bearer <token>`.

        Waits, for `timeout` seconds at most, only where there is none that is good. Fails with TokenServiceError then;
        after that for a moment by the same failure, ten seconds old at most, without asking the service again.
        """
        with self._lock:
            now = self._clock()
            kept = self._kept if self._kept is not None and now < self._kept.until else None
            if kept is not None and now < max(self._renew_at, self._try_at):
                return kept.token
            if self._failure is not None and now < self._try_at:
                raise self._failure.with_traceback(None)
            if self._flight is None or self._flight.is_over():
                self._flight = self._begin(self._renewed)
            flight = self._flight
        return kept.token if kept is not None else await flight.outcome(timeout)

    def drop(self, refused: str) -> bool:
        """Somebody has not accepted the token `refused`. Answers whether it is worth it to try with another.

        The next call of `token` gets one, once for all who were refused; but not for those who refuse that one, too.
        """
        with self._lock:
            if self._kept is None or self._kept.token != refused:
                return True
            now = self._clock()
            if now < self._drop_at:
                return False
            self._kept, self._drop_at = None, now + _DROPS
            return True

    async def _renewed(self) -> str:
        asked_at = self._clock()
        try:
            tokens = await self._issue()
        except Exception as failure:  # whatever it is, the next try has to wait
            with self._lock:
                pause = min(_PAUSE * 2.0**self._failures, _LONGEST_PAUSE)
                self._try_at = self._clock() + pause * (0.5 + self._chance() / 2)
                self._failures = min(self._failures + 1, _MOST_FAILURES)
                self._failure = failure
            raise
        life = tokens.expires_in.total_seconds()
        with self._lock:
            self._kept = _Kept(tokens.access_token, asked_at + life * _USED_UNTIL)
            self._renew_at = asked_at + life * (_RENEWED_AT + _SPREAD * self._chance())
            self._try_at, self._failures, self._failure = float("-inf"), 0, None
        return tokens.access_token
