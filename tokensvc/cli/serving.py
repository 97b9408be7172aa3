"""Owns the life of a process that serves: opening, listening, handing over or stopping, closing."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from tokensvc.app import (
    build_server,
    checked,
    credentials_of,
    duties,
    open_database,
    open_keys,
    store_in,
    system_clock,
)
from tokensvc.cli import sockets
from tokensvc.cli.addresses import Address, Endpoints
from tokensvc.cli.failures import CommandError
from tokensvc.cli.local import failing_clearly
from tokensvc.cli.orders import Orders
from tokensvc.config import Settings

try:
    import uvloop
except ImportError:  # not made for every platform
    new_event_loop = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop

Facts = dict[str, Any]
"""What a process that serves says of itself: values of JSON."""

_NOTICE_SECONDS = 0.25
_LOOK_SECONDS = 0.5
_AGE_JITTER = 1.1  # gRPC ends connections up to a tenth before or after their age


def run(settings: Settings, endpoints: Endpoints) -> None:
    """Serve at `endpoints` until a signal; fails with CommandError if that cannot be begun."""
    for address in endpoints.addresses:
        sockets.probe(address)

    def report(facts: Facts) -> None:
        structlog.get_logger().info("serving", **facts)

    async def alone() -> None:
        await serve(settings, endpoints, Orders(*_stopping()), report)

    run_loop(alone())


def _stopping() -> list[signal.Signals]:
    """What ends the server in good order: also a terminal that closes, unless it was started to outlive that."""
    outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([] if outlives_terminal else [signal.SIGHUP])]


def run_loop(serving: Coroutine[Any, Any, None]) -> None:
    """Run `serve` in an event loop; what keeps a server from its work fails with CommandError."""
    with failing_clearly(), asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serving)


async def serve(settings: Settings, endpoints: Endpoints, orders: Orders, report: Callable[[Facts], None]) -> None:
    """Serve at `endpoints` until there are orders; `report` what can be said of the server when it can be called."""
    log = structlog.get_logger()
    credentials = credentials_of(settings)  # first: where its files are wrong, nothing is made
    database = open_database(settings)
    store = store_in(database, settings)
    beside: list[asyncio.Task[None]] = []
    try:
        durability = await checked(database)
        keys = await open_keys(store, settings, system_clock, os.urandom)
        server = build_server(store, keys, settings)
        listen = partial(server.listen, credentials=credentials)
        bound = endpoints.bound(partial(_listen, listen), partial(_listen, server.listen_for_health))
        settle_collector()
        await server.start()
        beside += map(asyncio.create_task, duties(store, keys, settings))
        report({**_places(bound), **_facts(settings), **durability})
        await orders.first()
        if not orders.stopping.done():
            await _hand_over(bound.ports, settings, orders)
        if orders.stopping.done():
            log.info("stopping", reason=orders.stopping.result(), grace=settings.shutdown_grace)
            await server.say_not_serving()
            sockets.leave(bound.ports)
            await asyncio.sleep(_NOTICE_SECONDS)  # clients that watch the health go before RPCs are refused
        await server.stop(settings.shutdown_grace)
    finally:
        for duty in beside:
            duty.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await store.close()
    log.info("stopped")


async def _hand_over(ports: Sequence[int], settings: Settings, orders: Orders) -> None:
    """Serve until the last connection has left because of its age, without taking new ones; or until told to stop.

    The health service stays at SERVING: it speaks for the address, where successors listen, and a client that was told
    NOT_SERVING would stop to use the connection that it has before it had another.
    """
    structlog.get_logger().info("handing over", max_connection_age=settings.max_connection_age)
    with suppress(TimeoutError):
        async with asyncio.timeout(settings.max_connection_age * _AGE_JITTER + settings.shutdown_grace):
            await sockets.hand_over(ports, settings.workers)
            while sockets.connections(ports) and not orders.stopping.done():
                await asyncio.wait([orders.stopping], timeout=_LOOK_SECONDS)


def _facts(settings: Settings) -> Facts:
    return {
        "tls": "none" if settings.tls_cert_file is None else "mutual" if settings.tls_client_ca_file else "server",
        "issuer": settings.issuer,
        "workers": settings.workers,
        "database": settings.database_name,
    }


def _places(bound: Endpoints) -> Facts:
    return {"address": str(bound.main)} | ({"health_address": str(bound.health)} if bound.health else {})


def _listen(listen: Callable[[str], int], address: Address) -> Address:
    """Bind `address` through `listen`; answer it with the port that it has got."""
    try:
        return Address(address.host, listen(str(address)))
    except RuntimeError as error:
        raise CommandError(f"cannot listen on {address}") from error


def settle_collector() -> None:
    """Spare the garbage collector what stays: it costs a busy server a tenth of its time to go through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
