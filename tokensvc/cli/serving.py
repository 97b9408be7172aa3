"""Owns the life of the server process: opening, listening, the signals that end it, closing."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable

import structlog

from tokensvc.app import build_server, open_database, open_keys, store_in, system_clock
from tokensvc.cli.addresses import Address
from tokensvc.cli.failures import CommandError
from tokensvc.cli.local import failing_clearly
from tokensvc.cli.logs import configure_logs
from tokensvc.config import Settings
from tokensvc.crypto.wrapping import RootKeyError

try:
    import uvloop
except ImportError:  # not made for every platform
    new_event_loop = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(settings: Settings, address: Address) -> None:
    """Serve at `address` until a signal; fails with CommandError if that cannot be begun."""
    configure_logs(settings.log_format, sys.stderr)
    with failing_clearly(), asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            runner.run(_serve(settings, address))
        except RootKeyError as error:
            raise CommandError(str(error)) from error


async def _serve(settings: Settings, address: Address) -> None:
    stopping = _stop_on_signals()
    database = open_database(settings)
    store = store_in(database, settings)
    try:
        durability = await database.settings()
        keys = await open_keys(store, settings, system_clock, os.urandom)
        server = build_server(store, keys, settings)
        bound = _listen(server.listen, address)
        settle_collector()
        await server.start()
        log = structlog.get_logger()
        if not bound.is_loopback:
            log.warning("plaintext", address=str(bound), note="secrets and tokens can be read on the way")
        log.info(
            "serving",
            address=str(bound),
            issuer=settings.issuer,
            database=str(settings.database_path.absolute()),
            **durability,
        )
        log.info("stopping", signal=await stopping, grace=settings.shutdown_grace)
        await server.stop(settings.shutdown_grace)
    finally:
        await store.close()
    log.info("stopped")


def settle_collector() -> None:
    """Spare the garbage collector what stays: it costs a busy server a tenth of its time to go through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _stop_on_signals() -> "asyncio.Future[str]":
    """A future that has the name of the first signal."""
    loop = asyncio.get_running_loop()
    stopping: asyncio.Future[str] = loop.create_future()

    def stop(name: str) -> None:
        if not stopping.done():
            stopping.set_result(name)

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number.name)
    return stopping


def _listen(listen: Callable[[str], int], address: Address) -> Address:
    """Bind `address` through `listen`; answer it with the port that it has got."""
    try:
        _probe(address)
        return Address(address.host, listen(str(address)))
    except OSError as error:
        raise CommandError(f"cannot listen on {address}: {error.strerror}") from error
    except RuntimeError as error:
        raise CommandError(f"cannot listen on {address}") from error


def _probe(address: Address) -> None:
    """Bind and let go again, because gRPC does not tell why it cannot."""
    family, kind, protocol, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)
