"""Owns the gRPC server's life: what it offers, where it listens, and how it stops."""

import asyncio
from collections.abc import Mapping, Sequence

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from tokensvc.ports import Store
from tokensvc.rpc.availability import Availability
from tokensvc.rpc.guard import AnyMethod, Guard
from tokensvc.rpc.health import Health
from tokensvc.rpc.message_bytes import MOST_BYTES_OF_ANY
from tokensvc.rpc.standard_services import health_service, reflection_services
from tokensvc.services.refusals import Refusals

_LAST_WORDS = 0.2
_MOST_METADATA = 16 * 1024  # bytes
_OPTIONS = (
    ("grpc.max_receive_message_length", MOST_BYTES_OF_ANY),
    # Both alike: between them gRPC refuses by chance.
    ("grpc.max_metadata_size", _MOST_METADATA),
    ("grpc.absolute_max_metadata_size", _MOST_METADATA),
    # Clients may ask every ten seconds whether we are there, also without calls; who does so more often is cut off.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 2),
    # A client that has gone without a word, with its calls, is noticed within eighty seconds, however quiet it was.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Who connects and says nothing takes a descriptor, for so long.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # Who never sends the rest of a request, or never reads its answer, keeps them until its connection has aged, and
    # this long after. Streams end then too: their callers come back, as they do when a server is replaced.
    ("grpc.max_connection_age_grace_ms", 300_000),
)


class RpcServer:
    """A grpc.aio server with the given services, health and reflection; if wanted, a second port for health alone."""

    def __init__(
        self,
        guard: Guard,
        services: Mapping[ServiceDescriptor, Mapping[str, AnyMethod]],
        extra_handlers: Sequence[grpc.GenericRpcHandler] = (),
        *,
        store: Store,
        refusals: Refusals,
        shares_port: bool = False,
        max_connection_age: float | None = None,
    ) -> None:
        """The health follows `store`; `refusals` are what `guard` has noted, and are written while this serves.

        `shares_port` lets several servers listen on one port; `max_connection_age` is in seconds.
        """
        self._options: list[tuple[str, int]] = [
            *_OPTIONS,
            ("grpc.so_reuseport", shares_port),
            # With fewer, refusals that wait would hold up the other calls of their connection.
            ("grpc.max_concurrent_streams", guard.capacity),
            # Calls that have come and that Python has not seen yet. Beyond the first number gRPC ends some by chance
            # (without a reason, whoever made them), beyond the second all: so not at a thousand, as by default, which a
            # burst that can be served exceeds. Each takes 10 kB and its metadata, also when it was taken back.
            ("grpc.server.max_pending_requests", 2 * guard.most),
            ("grpc.server.max_pending_requests_hard_limit", 4 * guard.most),
        ]
        if max_connection_age is not None:
            self._options.append(("grpc.max_connection_age_ms", round(max_connection_age * 1000)))
        self._server = grpc.aio.server(options=self._options)
        self._health_server: grpc.aio.Server | None = None
        self._guard = guard
        names = [descriptor.full_name for descriptor in services]
        self._health = Health(["", *names])
        self._availability = Availability(store, self._health.announce)
        self._refusals = refusals
        self._beside: list[asyncio.Task[None]] = []
        handlers = [guard.service(descriptor, methods) for descriptor, methods in services.items()]
        handlers += [health_service(self._health), *reflection_services(names)]
        self._server.add_generic_rpc_handlers((*handlers, *extra_handlers))

    @property
    def counts(self) -> Mapping[str, int]:
        """What pacing has done since it began, and how many RPCs were turned away."""
        return self._guard.counts

    def listen(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """Bind `address`, in plaintext without `credentials`; answer the port. Fails with RuntimeError if it cannot."""
        if credentials is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, credentials)

    def listen_for_health(self, address: str) -> int:
        """Bind `address` for the health service and nothing else, in plaintext; answer the port. Fails as `listen`."""
        self._health_server = grpc.aio.server(options=self._options)
        self._health_server.add_generic_rpc_handlers((health_service(self._health),))
        return self._health_server.add_insecure_port(address)

    async def start(self) -> None:
        """Begin to serve, and say so in the health service."""
        await self._server.start()
        if self._health_server is not None:
            await self._health_server.start()
        await self._health.announce(available=True)
        self._beside = [asyncio.create_task(duty) for duty in (self._availability.follow(), self._refusals.run())]

    async def say_not_serving(self) -> None:
        """Say so in the health service from now on, but go on to serve."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Say NOT_SERVING, let the RPCs under way finish for up to `grace` seconds, then end them."""
        for task in self._beside:
            task.cancel()
        await self.say_not_serving()
        stopping = asyncio.create_task(self._server.stop(grace))
        self._health.end_watches()
        self._guard.end_waits()
        await self._until_idle(stopping)
        await asyncio.gather(stopping, self._server.stop(None))
        if self._health_server is not None:
            await self._health_server.stop(None)
        await self._refusals.flush(last=True)

    async def _until_idle(self, stopping: asyncio.Task[None]) -> None:
        """Return when gRPC has stopped, or when no RPC of ours is under way and it waits for open connections alone."""
        was_idle = False
        while not stopping.done():
            is_idle = self._guard.is_idle
            if is_idle and was_idle:  # also some time ago: so the last answer has been sent
                return
            was_idle = is_idle
            await asyncio.wait([stopping], timeout=_LAST_WORDS)
