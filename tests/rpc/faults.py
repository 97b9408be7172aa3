"""Things that go wrong on purpose: stores that fail or wait, a connection that is cut, and a second node."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc

from tests.fakes import FakeRandomness
from tests.harness import Caller, Service
from tokensvc.app import build_server, open_keys, open_store
from tokensvc.domain.effects import Effects
from tokensvc.ports import Committed, Rows, Store, Unit


class StoreOver:
    """A store that does all that `inner` does; subclasses change a part of it."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class FailingStore(StoreOver):
    """Raises `error` from each of the named methods."""

    def __init__(self, inner: Store, error: Exception, *methods: str) -> None:
        super().__init__(inner)
        self._error = error
        for method in methods:
            setattr(self, method, self._fail)

    async def _fail(self, *_: Any, **__: Any) -> Any:
        raise self._error


class WaitingStore(StoreOver):
    """Stops every commit at one point until `go_on`: "before" it, "within" its transaction, or "after" it."""

    def __init__(self, inner: Store, point: str) -> None:
        super().__init__(inner)
        self._point = point
        self._go_on = threading.Event()
        self.reached = asyncio.Event()
        self.left = asyncio.Event()

    async def commit(self, unit: Unit[Any]) -> Committed[Any]:
        """Commit in three steps; `left` tells that the RPC is not waiting any more."""
        try:
            if self._point == "before":
                await self._wait()
            committed = await self.inner.commit(self._watched(unit) if self._point == "within" else unit)
            if self._point == "after":
                await self._wait()
        finally:
            self.left.set()
        return committed

    def go_on(self) -> None:
        """Let everything pass."""
        self._go_on.set()

    async def _wait(self) -> None:
        self.reached.set()
        await asyncio.get_running_loop().create_future()

    def _watched(self, unit: Unit[Any]) -> Unit[Any]:
        loop = asyncio.get_running_loop()

        def decide(rows: Rows) -> Effects[Any]:
            loop.call_soon_threadsafe(self.reached.set)
            assert self._go_on.wait(timeout=10)
            return unit.decide(rows)

        return replace(unit, decide=decide)


@asynccontextmanager
async def server_over(service: Service, store: Any) -> AsyncIterator[grpc.aio.Channel]:
    """A second server with the keys of `service` and the given store; answers a channel to it."""
    server = build_server(store, service.keys, service.settings, service.clock, FakeRandomness("second server"))
    port = server.listen("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(grace=5)


@asynccontextmanager
async def second_node(service: Service) -> AsyncIterator[grpc.aio.Channel]:
    """Another node on the same database file, with connections, keys and caches of its own."""
    store = open_store(service.settings, service.clock)
    try:
        keys = await open_keys(store, service.settings, service.clock, FakeRandomness("second node"))
        async with server_over(replace(service, keys=keys), store) as channel:
            yield channel
    finally:
        await store.close()


def through(caller: Caller, channel: grpc.aio.Channel) -> Caller:
    """The same caller on another channel."""
    return replace(caller, channel=channel)


class Wire:
    """A connection through which a caller talks to the server, and which can lose what the server says."""

    def __init__(self) -> None:
        self.losing = False
        self.lost = bytearray()
        self._more = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def lost_until(self, found: Callable[[bytes], Any]) -> Any:
        """Wait until `found` is true of the bytes that the server has sent in vain; answer what it says."""
        async with asyncio.timeout(30):
            return await self._lost_until(found)

    async def _lost_until(self, found: Callable[[bytes], Any]) -> Any:
        while not (result := found(bytes(self.lost))):
            self._more.clear()
            await self._more.wait()
        return result

    def cut(self) -> None:
        """Break the connection off."""
        for writer in self._writers:
            writer.transport.abort()

    async def carry(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to the server at `port`."""
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        self._writers += [writer, to_server]
        await asyncio.gather(self._pump(reader, to_server), self._pump(from_server, writer, downstream=True))

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, downstream: bool = False
    ) -> None:
        try:
            while data := await reader.read(65_536):
                if downstream and self.losing:
                    self.lost += data
                    self._more.set()
                else:
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def wire_to(service: Service) -> AsyncIterator[tuple[Wire, grpc.aio.Channel]]:
    """A wire to the server of `service`, and a channel that uses it."""
    wire = Wire()
    proxy = await asyncio.start_server(lambda reader, writer: wire.carry(service.port, reader, writer), "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield wire, channel
    proxy.close()
    wire.cut()
