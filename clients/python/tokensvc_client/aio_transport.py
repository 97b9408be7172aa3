"""Owns carrying calls for asyncio."""

import asyncio
from collections.abc import Mapping
from typing import Any, Generic

import grpc
import grpc.aio

from tokensvc_client.channel import Endpoint
from tokensvc_client.connections import Connection, Connections
from tokensvc_client.rpcs import Answer, Request, Rpc
from tokensvc_client.transport import Metadata, closed_meanwhile


class AioReading(Generic[Answer]):
    """A stream of grpc.aio."""

    def __init__(self, transport: "AioTransport", connection: Connection[grpc.aio.Channel], call: Any) -> None:
        self._call = call
        self._is_cancelled = False
        call.add_done_callback(lambda _: transport.give_back(connection))

    async def header(self) -> Mapping[str, str]:
        """As the protocol says."""
        return dict(await self._call.initial_metadata())

    async def read(self) -> Answer | None:
        """As the protocol says."""
        try:
            answer: Any = await self._call.read()
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            if self._is_cancelled:
                return None
            raise closed_meanwhile() from None
        return None if answer is grpc.aio.EOF else answer

    def cancel(self) -> None:
        """As the protocol says, but for the thread of the event loop alone."""
        self._is_cancelled = True
        self._call.cancel()


class AioSignal:
    """A future of the event loop. What sets it at the latest is a timer: `asyncio.wait` would take a second future."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def set(self) -> None:
        """As the protocol says."""
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, timeout: float | None) -> None:
        """As the protocol says."""
        timer = self._loop.call_later(timeout, self.set) if timeout is not None else None
        try:
            await self._future
        finally:
            if timer is not None:
                timer.cancel()


class AioTransport:
    """Implements `Transport` for one event loop. Its calls can be cancelled at any moment."""

    def __init__(self, endpoint: Endpoint) -> None:
        files = endpoint.tls.files if endpoint.tls is not None else ()
        self._connections = Connections(endpoint.open_aio, files)
        self._closing: set[asyncio.Task[None]] = set()

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
            answer: Answer = await call(request, timeout=timeout, metadata=metadata)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise closed_meanwhile() from None
        else:
            return answer
        finally:
            self.give_back(connection)

    def stream(
        self, rpc: Rpc[Request, Answer], request: Request, timeout: float | None, metadata: Metadata
    ) -> AioReading[Answer]:
        """As the protocol says."""
        connection = self._connections.take()
        call = connection.callable_for(rpc, "unary_stream")(request, timeout=timeout, metadata=metadata)
        return AioReading(self, connection, call)

    def give_back(self, connection: Connection[grpc.aio.Channel]) -> None:
        """A call on it is over."""
        for channel in self._connections.give_back(connection):
            closing = asyncio.get_running_loop().create_task(channel.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def signal(self) -> AioSignal:
        """As the protocol says."""
        return AioSignal()

    async def sleep(self, seconds: float) -> None:
        """As the protocol says."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """As the protocol says."""
        for channel in self._connections.drain():
            await channel.close()
        await asyncio.gather(*self._closing)


def _is_cancelled() -> bool:
    """Whether the task itself was cancelled, and not the call alone, as by closing the channel."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
