"""Owns relaying the refreshes of apps, for threads and for asyncio: one logic, waited for in two ways."""

import functools
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import grpc

from tokensvc_client.blocking import blocking
from tokensvc_client.clients import AsyncTokenClient, TokenClient
from tokensvc_client.errors import OverloadedError, TokenServiceError
from tokensvc_client.flights import Begin, Flight, TaskFlight, ThreadFlight
from tokensvc_client.relay.actions import refused
from tokensvc_client.relay.kept import KeptAnswers
from tokensvc_client.relay.request import RefreshRequest
from tokensvc_client.values.tokens import ClientContext, DpopProof, Tokens

_KEPT_FOR: Final = timedelta(seconds=10)
_MOST: Final = 10_000


class Relaying:
    """Makes one call for all who ask for the same at once. Any thread may ask, or any task of one loop."""

    def __init__(
        self,
        call: Callable[..., Awaitable[Tokens]],
        begin: Begin,
        *,
        keep: timedelta,
        most: int,
        clock: Callable[[], float],
    ) -> None:
        """`call` is the client's refresh."""
        self._call = call
        self._begin = begin
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._kept = KeptAnswers(keep.total_seconds(), most)
        self._flights: dict[bytes, Flight[Tokens]] = {}

    async def refresh(
        self,
        refresh_token: str,
        *,
        client_id: str = "",
        scopes: Sequence[str] = (),
        audiences: Sequence[str] = (),
        device_id: str = "",
        context: ClientContext | None = None,
        credential_version: str = "",
        dpop: DpopProof | None = None,
        timeout: float | None = None,
    ) -> Tokens:
        """The next tokens of a session, the same for all who ask for the same. Fails with RefreshRefusedError.

        Who asks with a `dpop` proof asks alone and once, because it works once. `timeout` is how many seconds this
        caller waits at most; the call goes on for others, as long as the client allows.
        """
        request = RefreshRequest(
            refresh_token, client_id, tuple(scopes), tuple(audiences), device_id, context, credential_version
        )
        try:
            if dpop is not None:
                return await self._refreshed(request, dpop=dpop, timeout=timeout)
            found = self._answer_or_flight(request)
            return found if isinstance(found, Tokens) else await found.outcome(timeout)
        except TokenServiceError as error:
            raise refused(error, has_proof=dpop is not None) from error

    def _answer_or_flight(self, request: RefreshRequest) -> Tokens | Flight[Tokens]:
        key = request.digest
        with self._lock:
            self._kept.used(request.refresh_token)
            answer = self._kept.find(key, self._clock())
            if answer is not None:
                return answer
            flight = self._flights.get(key)
            if flight is not None and not flight.is_over():
                return flight
            if len(self._flights) >= self._most:
                raise OverloadedError("too many refreshes are under way", code=grpc.StatusCode.RESOURCE_EXHAUSTED)
            flight = self._flights[key] = self._begin(functools.partial(self._fly, key, request))
            return flight

    async def _fly(self, key: bytes, request: RefreshRequest) -> Tokens:
        asked_at = self._clock()
        try:
            tokens = await self._refreshed(request)
            with self._lock:
                self._kept.keep(key, request, tokens, asked_at)
            return tokens
        finally:
            with self._lock:
                del self._flights[key]

    def _refreshed(self, request: RefreshRequest, **more: Any) -> Awaitable[Tokens]:
        return self._call(
            request.refresh_token,
            client_id=request.client_id,
            scopes=request.scopes,
            audiences=request.audiences,
            device_id=request.device_id,
            context=request.context,
            credential_version=request.credential_version,
            **more,
        )


class AsyncRefreshRelay(Relaying):
    """Relays the refreshes of apps, in one event loop: those who ask for the same at once share one call.

    An answer is kept for a moment, for those who have missed it. Calls that found no connection, or lost it, are
    repeated as the client's `retries` say: the service answers a repeated refresh alike.
    """

    def __init__(
        self,
        client: AsyncTokenClient,
        *,
        keep: timedelta = _KEPT_FOR,
        most: int = _MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """An answer is kept for `keep`: never longer than the apps' clients have a retry window, which may be zero.

        At `most` so many answers are kept, and so many calls are under way. `clock` answers seconds.
        """
        super().__init__(client.refresh, TaskFlight, keep=keep, most=most, clock=clock)


class RefreshRelay:
    """The same for threads. A call is a thread of its own, which goes on for the others when one of them gives up."""

    def __init__(
        self,
        client: TokenClient,
        *,
        keep: timedelta = _KEPT_FOR,
        most: int = _MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """As for AsyncRefreshRelay."""

        async def refresh(refresh_token: str, **fields: Any) -> Tokens:
            return client.refresh(refresh_token, **fields)

        self._wrapped: Any = Relaying(refresh, ThreadFlight, keep=keep, most=most, clock=clock)

    refresh = blocking(Relaying.refresh)
