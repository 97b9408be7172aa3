"""Servers for the suite to call: each an address, and an administrator to register clients with.

The fake is always there. The real one runs in this process where the server is installed, unless the environment names
one: TOKENSVC_TEST_ADDRESS, TOKENSVC_TEST_ISSUER, and an administrator's TOKENSVC_TEST_CLIENT_ID and _CLIENT_SECRET.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tokensvc_client import Secret
from tokensvc_client.testing import FakeClock, FakeTokenService

ISSUER = "https://issuer.test"


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    address: str
    issuer: str
    admin: Secret


@contextmanager
def real(directory: Path) -> Iterator[Served]:
    """The service itself, called over loopback."""
    address = os.environ.get("TOKENSVC_TEST_ADDRESS")
    if address is not None:
        secret = Secret(os.environ["TOKENSVC_TEST_CLIENT_ID"], os.environ["TOKENSVC_TEST_CLIENT_SECRET"])
        yield Served(address, os.environ["TOKENSVC_TEST_ISSUER"], secret)
        return
    started: list[Served] = []
    is_there, is_over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_serve(directory, started, is_there, is_over)))
    thread.start()
    assert is_there.wait(30)
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join(30)
        loop.close()


@contextmanager
def fake(_directory: Path) -> Iterator[Served]:
    """The fake of `tokensvc_client.testing`, on a clock that goes as this program's."""
    with FakeTokenService(_OfFake(), issuer=ISSUER) as service:
        service.add_client("operator", secret="operator-secret")
        yield Served(service.target, ISSUER, Secret("operator", "operator-secret"))


SERVERS: dict[str, Callable[[Path], AbstractContextManager[Served]]] = {"fake": fake}
if "TOKENSVC_TEST_ADDRESS" in os.environ or find_spec("tokensvc") is not None:
    SERVERS["real"] = real


class _OfFake(FakeClock):
    """The fake's clock, which goes as this program's."""

    @property
    def milliseconds(self) -> int:
        return time.time_ns() // 1_000_000


class _OfService:
    """The same for the service."""

    @property
    def now(self) -> int:
        return self()

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000


async def _serve(directory: Path, started: list[Served], is_there: threading.Event, is_over: asyncio.Event) -> None:
    from tests.harness import running_service
    from tokensvc.domain.client import Permission

    try:
        async with running_service(directory, memory=True, clock=_OfService(), issuer=ISSUER) as service:
            admin = await service.caller("operator", permissions=frozenset(Permission))
            started.append(Served(f"127.0.0.1:{service.port}", ISSUER, Secret(admin.client_id, admin.secret)))
            is_there.set()
            await is_over.wait()
    finally:
        is_there.set()
