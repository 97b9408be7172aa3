"""Owns the gRPC server's life: what it offers, where it listens, and how it stops."""

import asyncio
from collections.abc import Mapping, Sequence

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from tokensvc.rpc.guard import Guard, Method, OpenMethod
from tokensvc.rpc.health import Health

_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second server on the same port must fail, not share it silently
    ("grpc.max_receive_message_length", 8 * 1024 * 1024),  # BatchIntrospect of 1,000 tokens with all claims allowed
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class RpcServer:
    """A grpc.aio server with the given services, health and reflection."""

    def __init__(
        self,
        guard: Guard,
        services: Mapping[ServiceDescriptor, Mapping[str, Method | OpenMethod]],
        extra_handlers: Sequence[grpc.GenericRpcHandler] = (),
    ) -> None:
        self._server = grpc.aio.server(options=_OPTIONS)
        self._health = Health()
        self._names = [descriptor.full_name for descriptor in services]
        handlers = [guard.service(descriptor, methods) for descriptor, methods in services.items()]
        self._server.add_generic_rpc_handlers((*handlers, *extra_handlers))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._add_reflection()

    def listen(self, address: str) -> int:
        """Bind `address` in plaintext; answer the port. Fails with RuntimeError where that cannot be."""
        return self._server.add_insecure_port(address)

    async def start(self) -> None:
        """Begin to serve, and say so in the health service."""
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace: float) -> None:
        """Say NOT_SERVING, let the RPCs under way finish for up to `grace` seconds, then end them."""
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.create_task(self._server.stop(grace))
        self._health.end_watches()
        await stopping

    def _add_reflection(self) -> None:
        """Reflection under its old name, which is all that grpcio knows, and under its new one, which is the same."""
        names = [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME, _REFLECTION_V1]
        handler = grpc.stream_stream_rpc_method_handler(
            reflection.aio.ReflectionServicer(names).ServerReflectionInfo,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        for name in (reflection.SERVICE_NAME, _REFLECTION_V1):
            generic = grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
            self._server.add_generic_rpc_handlers((generic,))
