"""Owns carrying calls for threads, and making methods that block from coroutines that never suspend."""

import functools
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

import grpc

from tokensvc_client.channel import Endpoint
from tokensvc_client.connections import Connection, Connections
from tokensvc_client.rpcs import Answer, Request, Rpc
from tokensvc_client.transport import Metadata, closed_meanwhile

P = ParamSpec("P")
T = TypeVar("T")
Stream = TypeVar("Stream")


class Blocking(Protocol):
    """What has, under `_wrapped`, an object whose coroutines never suspend."""

    _wrapped: Any


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends; answer what it returns, fail as it fails."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        answer: T = end.value
        return answer
    coroutine.close()
    raise RuntimeError("a coroutine over a blocking transport has suspended")


def blocking(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Any, P], T]:
    """The method that does for threads what `method` does for asyncio, with the same arguments."""

    @functools.wraps(method)
    def wait(self: Blocking, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return drive(method(self._wrapped, *args, **kwargs))

    return wait


def streaming(
    method: Callable[Concatenate[Any, P], T], kind: Callable[[T], Stream]
) -> Callable[Concatenate[Any, P], Stream]:
    """The same for a method that begins a stream, which is given out as a `kind` that blocks."""

    @functools.wraps(method)
    def begin(self: Blocking, /, *args: P.args, **kwargs: P.kwargs) -> Stream:
        return kind(method(self._wrapped, *args, **kwargs))

    return begin


class BlockingReading(Generic[Answer]):
    """A stream of grpc."""

    def __init__(self, transport: "BlockingTransport", connection: Connection[grpc.Channel], call: Any) -> None:
        self._call = call
        self._is_cancelled = False
        if not call.add_callback(lambda: transport.give_back(connection)):  # it is over already
            transport.give_back(connection)

    async def header(self) -> Mapping[str, str]:
        """As the protocol says."""
        return dict(self._call.initial_metadata())

    async def read(self) -> Answer | None:
        """As the protocol says."""
        try:
            answer: Answer | None = next(self._call, None)
        except grpc.RpcError:
            if self._is_cancelled:
                return None
            raise
        return answer

    def cancel(self) -> None:
        """As the protocol says."""
        self._is_cancelled = True
        self._call.cancel()


class BlockingSignal:
    """An event between threads."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """As the protocol says."""
        self._event.set()

    async def wait(self, timeout: float | None) -> None:
        """As the protocol says."""
        self._event.wait(timeout)


class BlockingTransport:
    """Implements `Transport` for any number of threads. Its awaitables never suspend: they block."""

    def __init__(self, endpoint: Endpoint) -> None:
        files = endpoint.tls.files if endpoint.tls is not None else ()
        self._connections = Connections(endpoint.open, files)

    async def unary(
        self,
        rpc: Rpc[Request, Answer],
        request: Request,
        timeout: float | None,
        metadata: Metadata,
    ) -> Answer:
        """As the protocol says."""
        connection = self._connections.take()
        try:
            call = connection.callable_for(rpc, "unary_unary")
            answer: Answer = call(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError:
            if self._connections.is_closed:
                raise closed_meanwhile() from None
            raise
        else:
            return answer
        finally:
            self.give_back(connection)

    def stream(
        self, rpc: Rpc[Request, Answer], request: Request, timeout: float | None, metadata: Metadata
    ) -> BlockingReading[Answer]:
        """As the protocol says."""
        connection = self._connections.take()
        call = connection.callable_for(rpc, "unary_stream")(request, timeout=timeout, metadata=metadata)
        return BlockingReading(self, connection, call)

    def give_back(self, connection: Connection[grpc.Channel]) -> None:
        """A call on it is over."""
        for channel in self._connections.give_back(connection):
            channel.close()

    def signal(self) -> BlockingSignal:
        """As the protocol says."""
        return BlockingSignal()

    async def sleep(self, seconds: float) -> None:
        """As the protocol says."""
        time.sleep(seconds)  # noqa: ASYNC251 - a thread waits

    async def close(self) -> None:
        """As the protocol says."""
        for channel in self._connections.drain():
            channel.close()
