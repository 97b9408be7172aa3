"""Owns how a call comes in: it is noted, meets its fault, its caller is recognised, and what it asks for is done."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor

from tokensvc_client.testing.audit_service import watch_audit_events
from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.errors import Refusal
from tokensvc_client.testing.faults import Faults
from tokensvc_client.testing.key_service import get_jwks
from tokensvc_client.testing.methods import METHODS, SERVICES
from tokensvc_client.testing.state import State
from tokensvc_client.testing.watch import Feed

Handler = Callable[[Any, grpc.ServicerContext], Any]
Stream = Callable[[State, Any, grpc.ServicerContext], Iterator[Any]]


@dataclass(frozen=True)
class ReceivedCall:
    """A call that has arrived: its `method`, for example "Refresh", and its request. It may have been refused."""

    method: str
    request: Any


class Calls:
    """The calls of every method of the contract."""

    def __init__(self, state: State, faults: Faults, feed: Feed) -> None:
        self.received: list[ReceivedCall] = []
        self._state = state
        self._faults = faults
        self._streams: Mapping[str, Stream] = {
            "WatchRevocations": feed.watch,
            "WatchAuditEvents": watch_audit_events,
        }

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """One for each service."""
        return [
            grpc.method_handlers_generic_handler(
                service.full_name, {method.name: self._rpc(method) for method in service.methods}
            )
            for service in SERVICES
        ]

    def _rpc(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[Any, Any]":
        read = message_factory.GetMessageClass(method.input_type).FromString
        write = message_factory.GetMessageClass(method.output_type).SerializeToString
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream(method.name), read, write)
        return grpc.unary_unary_rpc_method_handler(self._unary(method.name), read, write)

    def _unary(self, name: str) -> Handler:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return self._answer(name, request, context)
            except Refusal as refusal:
                refusal.abort(context)

        return handle

    def _stream(self, name: str) -> Handler:
        def handle(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                self._answer(name, request, context)
                yield from self._streams[name](self._state, request, context)
            except Refusal as refusal:
                refusal.abort(context)

        return handle

    def _answer(self, name: str, request: Any, context: grpc.ServicerContext) -> Any:
        with self._state.lock:
            self.received.append(ReceivedCall(name, request))
            fault = self._faults.take(name)
        if fault.held is not None:
            fault.held.hold(context)
        if fault.refusal is not None:
            raise fault.refusal
        with self._state.lock:
            answer = self._served(name, request, context)
            self._state.lock.notify_all()
        if fault.loses_answer:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the connection was lost")
        return answer

    def _served(self, name: str, request: Any, context: grpc.ServicerContext) -> Any:
        if name == "GetJwks":
            return get_jwks(self._state, request)
        caller = self._caller(context)
        serve, permission = METHODS[name]
        caller.require(permission)
        return serve(self._state, caller, request)

    def _caller(self, context: grpc.ServicerContext) -> Client:
        metadata = dict(context.invocation_metadata())
        return self._state.clients.caller(str(metadata.get("authorization", "")), self._state.now)
