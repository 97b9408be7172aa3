"""A gRPC service with one method of each kind, for threads and for asyncio: it answers who calls."""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2_grpc
from tokensvc_client.guards import current_token

KINDS = {"Order": "unary_unary", "Watch": "unary_stream", "Collect": "stream_unary", "Chat": "stream_stream"}


class Shop:
    """For threads."""

    def order(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == b"refuse":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "sold out")
        return current_token().subject.encode()

    def watch(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        for _ in range(3):
            yield current_token().subject.encode()

    def collect(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        return b" ".join(current_token().subject.encode() for _ in requests)

    def chat(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for _ in requests:
            yield current_token().subject.encode()


class AsyncShop:
    """For asyncio."""

    async def order(self, request: bytes, context: Any) -> bytes:
        if request == b"refuse":
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "sold out")
        return current_token().subject.encode()

    async def watch(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield current_token().subject.encode()

    async def collect(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        return b" ".join([current_token().subject.encode() async for _ in requests])

    async def chat(self, requests: AsyncIterator[bytes], context: Any) -> None:
        """This one writes to the context, where watch is a generator."""
        async for _ in requests:
            await context.write(current_token().subject.encode())


def handlers(shop: Any) -> grpc.GenericRpcHandler:
    """The shop's methods: messages are bytes."""
    made = {name: getattr(grpc, f"{kind}_rpc_method_handler") for name, kind in KINDS.items()}
    return grpc.method_handlers_generic_handler(
        "toy.Shop", {name: make(getattr(shop, name.lower())) for name, make in made.items()}
    )


@asynccontextmanager
async def serving(guard: Any, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[str]:
    """Serve the shop behind a guard, of threads or of asyncio, with TLS if there are `credentials`; answer where."""
    options = (("grpc.so_reuseport", 0),)
    is_async = isinstance(guard, grpc.aio.ServerInterceptor)
    server: Any
    if is_async:
        server = grpc.aio.server(interceptors=[guard], options=options)
        health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    else:
        server = grpc.server(ThreadPoolExecutor(16), interceptors=[guard], options=options)
        health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    server.add_generic_rpc_handlers((handlers(AsyncShop() if is_async else Shop()),))
    address = "127.0.0.1:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    started = server.start()
    if is_async:
        await started
    try:
        yield f"127.0.0.1:{port}"
    finally:
        stopped = server.stop(None)
        if is_async:
            await stopped
        else:
            stopped.wait()


async def call(
    channel: grpc.aio.Channel, method: str, headers: dict[str, str], request: bytes = b"", *, times: int = 2
) -> list[bytes]:
    """All answers of a method, which is told something so many `times` if it listens for more than once."""
    kind = KINDS[method]
    requests: Any = [request] * times if kind.startswith("stream") else request
    called = getattr(channel, kind)(f"/toy.Shop/{method}")(requests, metadata=tuple(headers.items()), timeout=10)
    if kind.endswith("stream"):
        return [answer async for answer in called]
    return [await called]


def info_of(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    """Why a call was refused."""
    info = error_details_pb2.ErrorInfo()
    trailers = dict(error.trailing_metadata() or ())
    for detail in status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details:
        detail.Unpack(info)
    return info
