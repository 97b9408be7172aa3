"""Owns making one call: who calls, until when, and what is done again when it fails."""

import random
import time
from collections.abc import Mapping
from typing import Generic

import grpc

from tokensvc_client.credentials import Credentials
from tokensvc_client.errors import BusyError, TokenServiceError, UnauthenticatedError, UnavailableError
from tokensvc_client.failures import failure_of
from tokensvc_client.retrying import Retries, RetryBudget
from tokensvc_client.rpcs import Answer, Request, Rpc
from tokensvc_client.transport import Metadata, Reading, Transport


class Caller:
    """Makes calls over a transport. `credentials` may be replaced at any time; calls under way keep theirs."""

    def __init__(
        self, transport: Transport, credentials: Credentials | None, timeout: float | None, retries: Retries
    ) -> None:
        """`timeout` is in seconds, for calls that name none; None is no limit."""
        self.transport = transport
        self.credentials = credentials
        self.timeout = timeout
        self._retries = retries
        self._budget = RetryBudget()

    def deadline(self, timeout: float | None) -> float | None:
        """The moment, by `time.monotonic`, at which a call that begins now and names `timeout` has to be over."""
        seconds = self.timeout if timeout is None else timeout
        return None if seconds is None else time.monotonic() + seconds

    async def call(
        self, rpc: Rpc[Request, Answer], request: Request, deadline: float | None, *, is_repeatable: bool = False
    ) -> Answer:
        """The answer; fails with TokenServiceError. `is_repeatable`: with this request the call may be repeated."""
        is_repeatable = is_repeatable or rpc.is_repeatable
        attempt, may_renew = 1, True
        while True:
            credentials = self.credentials
            shown = credentials.authorization() if credentials is not None else ""
            try:
                answer = await self.transport.unary(rpc, request, remaining(deadline), metadata_of(shown))
            except grpc.RpcError as failed:
                error = failure_of(failed)
            else:
                self._budget.succeeded()
                return answer
            if may_renew and credentials is not None and needs_renewal(error) and credentials.renewed(shown):
                may_renew = False
                continue
            pause = self._pause(error, attempt, deadline, is_repeatable=is_repeatable)
            if pause is None:
                raise error
            await self.transport.sleep(pause)
            attempt += 1

    def stream(
        self, rpc: Rpc[Request, Answer], request: Request, timeout: float | None
    ) -> "RenewingReading[Request, Answer]":
        """Begin a stream, without a time limit unless `timeout` is given."""
        return RenewingReading(self, rpc, request, timeout)

    def _pause(
        self, error: TokenServiceError, attempt: int, deadline: float | None, *, is_repeatable: bool
    ) -> float | None:
        """Seconds until the next attempt; None if there is none, because it is not safe, not wanted or too late."""
        if isinstance(error, UnavailableError | BusyError):
            self._budget.failed()
        chance = random.random()  # noqa: S311 - it spreads callers in time
        pause = self._retries.pause(error, attempt, is_repeatable=is_repeatable, chance=chance)
        left = remaining(deadline)
        is_too_late = pause is not None and left is not None and pause >= left
        return None if is_too_late or not self._budget.allows else pause


class RenewingReading(Generic[Request, Answer]):
    """A stream that is begun again, once, where the service did not accept an assertion that was kept."""

    def __init__(self, caller: Caller, rpc: Rpc[Request, Answer], request: Request, timeout: float | None) -> None:
        self._caller, self._rpc, self._request, self._timeout = caller, rpc, request, timeout
        self._may_renew = True
        self._is_cancelled = False
        self._reading = self._begin()

    async def header(self) -> Mapping[str, str]:
        """Wait for what the service says before the first answer; empty where it refuses."""
        return await self._reading.header()

    async def read(self) -> Answer | None:
        """Wait for the next answer; None at the end, and after `cancel`. Fails with TokenServiceError."""
        while True:
            try:
                answer = await self._reading.read()
            except grpc.RpcError as failed:
                error = failure_of(failed)
            else:
                self._may_renew = False
                return answer
            credentials, may_renew = self._credentials, self._may_renew
            if not may_renew or credentials is None or not needs_renewal(error) or not credentials.renewed(self._shown):
                raise error
            self._may_renew = False
            self._reading = self._begin()
            if self._is_cancelled:  # meanwhile, by another thread, which saw the one before
                self._reading.cancel()

    def cancel(self) -> None:
        """End it."""
        self._is_cancelled = True
        self._reading.cancel()

    def _begin(self) -> Reading[Answer]:
        self._credentials = self._caller.credentials
        self._shown = self._credentials.authorization() if self._credentials is not None else ""
        return self._caller.transport.stream(self._rpc, self._request, self._timeout, metadata_of(self._shown))


def remaining(deadline: float | None) -> float | None:
    """Seconds until `deadline`; zero if it is over."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)


def metadata_of(authorization: str) -> Metadata:
    """The metadata of a call."""
    return (("authorization", authorization),) if authorization else ()


def needs_renewal(error: TokenServiceError) -> bool:
    """Whether the caller was not recognised; nothing was done, so any call may be repeated."""
    return isinstance(error, UnauthenticatedError)
