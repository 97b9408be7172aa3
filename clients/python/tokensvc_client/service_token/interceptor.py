"""Owns attaching a service's own token to the calls of a gRPC channel for threads."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from tokensvc_client.service_token.attaching import brings_its_own, left, with_token
from tokensvc_client.service_token.source import ServiceToken

Continuation = Callable[[grpc.ClientCallDetails, Any], Any]


@dataclass
class _Details(grpc.ClientCallDetails):
    method: str
    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class ServiceTokenInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """For `grpc.intercept_channel`. A call that is answered UNAUTHENTICATED is made once more with another token.

    But only where request and answer are one message each, and the caller waits; after any other such call the next
    one has another token. A call with `authorization` in its metadata is left as it is. Where no token can be had a
    call fails with TokenServiceError. The channel should be one with TLS: who reads a token can use it.
    """

    def __init__(self, source: ServiceToken) -> None:
        self._source = source

    def intercept_unary_unary(
        self, continuation: Continuation, client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        """As gRPC says."""
        if brings_its_own(client_call_details.metadata):
            return continuation(client_call_details, request)
        began_at = time.monotonic()
        token, call = self._begun(continuation, client_call_details, request, began_at)
        is_refused = call.done() and call.code() is grpc.StatusCode.UNAUTHENTICATED
        if not is_refused or not self._source.drop(token):
            return self._watched(call, token, is_over=call.done())
        return self._begun(continuation, client_call_details, request, began_at)[1]

    def intercept_unary_stream(
        self, continuation: Continuation, client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        """As gRPC says."""
        if brings_its_own(client_call_details.metadata):
            return continuation(client_call_details, request)
        token, call = self._begun(continuation, client_call_details, request, time.monotonic())
        return self._watched(call, token, is_over=False)

    def intercept_stream_unary(
        self, continuation: Continuation, client_call_details: grpc.ClientCallDetails, request_iterator: Any
    ) -> Any:
        """As gRPC says."""
        if brings_its_own(client_call_details.metadata):
            return continuation(client_call_details, request_iterator)
        token, call = self._begun(continuation, client_call_details, request_iterator, time.monotonic())
        return self._watched(call, token, is_over=call.done())

    def intercept_stream_stream(
        self, continuation: Continuation, client_call_details: grpc.ClientCallDetails, request_iterator: Any
    ) -> Any:
        """As gRPC says."""
        return self.intercept_unary_stream(continuation, client_call_details, request_iterator)

    def _begun(
        self, continuation: Continuation, details: grpc.ClientCallDetails, request: Any, began_at: float
    ) -> tuple[str, Any]:
        """The token, and a call with it."""
        timeout = getattr(details, "timeout", None)
        token = self._source.token(timeout=left(timeout, time.monotonic() - began_at))
        attached = _Details(
            details.method,
            left(timeout, time.monotonic() - began_at),
            with_token(details.metadata, token),
            details.credentials,
            getattr(details, "wait_for_ready", None),
            getattr(details, "compression", None),
        )
        return token, continuation(attached, request)

    def _watched(self, call: Any, token: str, *, is_over: bool) -> Any:
        """The call, after which the token is dropped if it was refused.

        What a call that was waited for has failed with takes no callbacks: `is_over` then.
        """

        def look() -> None:
            if call.code() is grpc.StatusCode.UNAUTHENTICATED:
                self._source.drop(token)

        if is_over or not call.add_callback(look):
            look()
        return call
