"""Owns health and reflection on the wire: as they come with gRPC, but for bytes that are no message."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import grpc
from google.protobuf import message_factory
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from tokensvc.rpc.errors import status_of
from tokensvc.rpc.health import Health
from tokensvc.rpc.message_bytes import deserializer, not_a_message

_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"  # the same as v1alpha, which is all that grpcio knows


def health_service(health: Health) -> grpc.GenericRpcHandler:
    """The handler of `health`."""
    methods = {method.name: _health_method(method, getattr(health, method.name)) for method in _HEALTH.methods}
    return grpc.method_handlers_generic_handler(_HEALTH.full_name, methods)


def reflection_services(names: Sequence[str]) -> Iterator[grpc.GenericRpcHandler]:
    """The handlers of reflection for the services with these `names`, for health and for themselves."""
    names = [*names, _HEALTH.full_name, reflection.SERVICE_NAME, _REFLECTION_V1]
    method = grpc.stream_stream_rpc_method_handler(
        _reflecting(reflection.aio.ReflectionServicer(names)),
        deserializer(reflection_pb2.ServerReflectionRequest),
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for name in (reflection.SERVICE_NAME, _REFLECTION_V1):
        yield grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method})


def _health_method(descriptor: Any, serve: Callable[[Any, Any], Awaitable[Any]]) -> "grpc.RpcMethodHandler[Any, Any]":
    async def handle(request: Any, context: Any) -> Any:
        return await serve(request, context) if request is not None else await _refuse(context)

    make = grpc.unary_stream_rpc_method_handler if descriptor.server_streaming else grpc.unary_unary_rpc_method_handler
    return make(
        handle,
        deserializer(message_factory.GetMessageClass(descriptor.input_type)),
        message_factory.GetMessageClass(descriptor.output_type).SerializeToString,
    )


def _reflecting(servicer: Any) -> Callable[[AsyncIterator[Any], Any], AsyncIterator[Any]]:
    async def handle(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async def messages() -> AsyncIterator[Any]:
            async for request in requests:
                if request is None:
                    await _refuse(context)
                yield request

        async for answer in servicer.ServerReflectionInfo(messages(), context):
            yield answer

    return handle


async def _refuse(context: Any) -> None:
    await context.abort(*status_of(not_a_message()))
