"""Owns attaching a service's own token to calls of grpc.aio, which wants one object for each kind of call."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from tokensvc_client.service_token.attaching import brings_its_own, left, with_token
from tokensvc_client.service_token.source import AsyncServiceToken

Continuation = Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]]


def service_token_interceptors(source: AsyncServiceToken) -> list[grpc.aio.ClientInterceptor]:
    """For the argument `interceptors` of a channel: they do what ServiceTokenInterceptor does."""
    calls = _Calls(source)
    return [_UnaryUnary(calls), _UnaryStream(calls), _StreamUnary(calls), _StreamStream(calls)]


class _Calls:
    """Makes calls with the token."""

    def __init__(self, source: AsyncServiceToken) -> None:
        self.source = source
        self._looking: set[asyncio.Task[None]] = set()

    async def begun(
        self, continuation: Continuation, details: grpc.aio.ClientCallDetails, request: Any, began_at: float
    ) -> tuple[str, Any]:
        """A call with the token, and that token."""
        token = await self.source.token(timeout=left(details.timeout, time.monotonic() - began_at))
        attached = grpc.aio.ClientCallDetails(
            details.method,
            left(details.timeout, time.monotonic() - began_at),
            grpc.aio.Metadata(*with_token(details.metadata, token)),
            details.credentials,
            details.wait_for_ready,
        )
        return token, await continuation(attached, request)

    async def watched(self, continuation: Continuation, details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        """A call after which the token is dropped if it was refused."""
        if brings_its_own(details.metadata):
            return await continuation(details, request)
        token, call = await self.begun(continuation, details, request, time.monotonic())

        async def look() -> None:
            if await call.code() is grpc.StatusCode.UNAUTHENTICATED:
                self.source.drop(token)

        def over(_: Any) -> None:
            task = asyncio.get_running_loop().create_task(look())
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

        call.add_done_callback(over)
        return call


class _Interceptor:
    def __init__(self, calls: _Calls) -> None:
        self._calls = calls


class _UnaryUnary(_Interceptor, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        """As gRPC says."""
        if brings_its_own(client_call_details.metadata):
            return await continuation(client_call_details, request)
        began_at = time.monotonic()
        token, call = await self._calls.begun(continuation, client_call_details, request, began_at)
        try:
            code = await call.code()
        except asyncio.CancelledError:
            call.cancel()
            raise
        if code is not grpc.StatusCode.UNAUTHENTICATED or not self._calls.source.drop(token):
            return call
        return (await self._calls.begun(continuation, client_call_details, request, began_at))[1]


class _UnaryStream(_Interceptor, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        """As gRPC says."""
        return await self._calls.watched(continuation, client_call_details, request)


class _StreamUnary(_Interceptor, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request_iterator: Any
    ) -> Any:
        """As gRPC says."""
        return await self._calls.watched(continuation, client_call_details, request_iterator)


class _StreamStream(_Interceptor, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request_iterator: Any
    ) -> Any:
        """As gRPC says."""
        return await self._calls.watched(continuation, client_call_details, request_iterator)
