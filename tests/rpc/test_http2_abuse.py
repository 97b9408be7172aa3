"""Callers that abuse HTTP/2: others are served all the while, and nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, running_service
from tests.rpc import raw_http2 as h2
from tests.rpc.steps import is_active, issue, until

Attack = Callable[[Caller, int], Awaitable[None]]

CALLS = 500  # streams of an attack
SETTING = b"\0\x03\0\0\0\x64"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Service]:
    """A service in memory: what is tested is the connection."""
    async with running_service(tmp_path, memory=True) as service:
        yield service


def streams(count: int = CALLS) -> range:
    """The ids of so many streams of a client."""
    return range(1, 2 * count, 2)


def metadata_of(caller: Caller) -> dict[str, str]:
    """The header by which it is recognised."""
    return dict(caller.metadata)


async def rapid_reset(caller: Caller, port: int) -> None:
    """Calls that are taken back as soon as they are made (CVE-2023-44487)."""
    request = pb.IssueRequest(subject="eve").SerializeToString()
    async with h2.attacker(port) as attacker:
        for stream in streams(4 * CALLS):
            call = h2.opening(stream, "TokenService/Issue", metadata_of(caller)) + h2.message(stream, request)
            if not await attacker.send(call, h2.frame(h2.RST_STREAM, 0, stream, h2.CANCEL)):
                return


async def resets_without_a_request(caller: Caller, port: int) -> None:
    """Calls of which nothing comes but the headers and the reset."""
    async with h2.attacker(port) as attacker:
        for stream in streams(4 * CALLS):
            call = h2.opening(stream, "TokenService/Issue", metadata_of(caller))
            if not await attacker.send(call, h2.frame(h2.RST_STREAM, 0, stream, h2.CANCEL)):
                return


async def pings(_caller: Caller, port: int) -> None:
    """Thousands of pings, each of which asks for an answer (CVE-2019-9512)."""
    async with h2.attacker(port) as attacker:
        for _ in range(50):
            if not await attacker.send(h2.frame(h2.PING, 0, 0, bytes(8)) * 200):
                return


async def settings(_caller: Caller, port: int) -> None:
    """Thousands of settings, each of which has to be acknowledged; the answers are not read (CVE-2019-9515)."""
    async with h2.attacker(port, reads=False) as attacker:
        for _ in range(50):
            if not await attacker.send(h2.frame(h2.SETTINGS, 0, 0, SETTING) * 200):
                return


async def endless_headers(_caller: Caller, port: int) -> None:
    """Headers that go on in one frame after the other and never end (CVE-2024-27316)."""
    async with h2.attacker(port) as attacker:
        await attacker.send(h2.opening(1, "TokenService/Issue", {}, flags=0))
        for number in range(200):
            more = b"".join(h2.literal(f"x-{number}-{each}", "y" * 100) for each in range(50))
            if not await attacker.send(h2.frame(h2.CONTINUATION, 0, 1, more)):
                return


async def half_calls(caller: Caller, port: int) -> None:
    """Calls whose request never comes, on a connection that then falls silent."""
    async with h2.attacker(port) as attacker:
        for stream in streams():
            await attacker.send(h2.opening(stream, "TokenService/Introspect", metadata_of(caller)))
        await asyncio.sleep(0.5)


async def slow_readers(caller: Caller, port: int) -> None:
    """Calls whose answers may not be sent, because no window is open for them."""
    request = pb.IntrospectRequest(token="x").SerializeToString()
    async with h2.attacker(port, settings=h2.NO_WINDOW, reads=False) as attacker:
        for stream in streams():
            call = h2.opening(stream, "TokenService/Introspect", metadata_of(caller))
            await attacker.send(call, h2.message(stream, request))
        await asyncio.sleep(0.5)


async def silent_connections(_caller: Caller, port: int) -> None:
    """Connections that are opened and left alone."""
    async with AsyncExitStack() as stack:
        for _ in range(200):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.push_async_callback(h2.hang_up, writer)
        await asyncio.sleep(0.5)


ATTACKS: list[Attack] = [
    *(rapid_reset, resets_without_a_request, pings, settings, endless_headers, half_calls, slow_readers),
    silent_connections,
]


def resident() -> int:
    """Bytes of memory that this process takes."""
    (line,) = [line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_an_honest_caller_goes_on(served: Service, attack: Attack) -> None:
    """While one connection is abused, every call of another is answered, and well."""
    bff, evil = await served.caller("bff"), await served.caller("evil")
    token = (await issue(bff)).access_token
    attacking = asyncio.ensure_future(attack(evil, served.port))
    answers = [await is_active(bff, token) for _ in range(20)]
    while not attacking.done():
        answers.append(await is_active(bff, token))
    await attacking
    assert all(answers)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        assert await is_active(Caller("bff", bff.secret, channel), token)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_nothing_is_left_of_an_attack(served: Service, attack: Attack) -> None:
    """When the connection has gone, so have its calls; and attacks that follow take no more memory than the first."""
    evil, tasks = await served.caller("evil"), len(asyncio.all_tasks())
    taken = []
    for _ in range(3):
        await attack(evil, served.port)
        await until(lambda: not served.server._guard.under_way and len(asyncio.all_tasks()) <= tasks)
        taken.append(resident())
    assert taken[-1] - taken[0] < 128 * 1024 * 1024  # the allocator keeps some of what was freed


async def test_who_pings_too_often_is_cut_off(served: Service) -> None:
    """The connection is closed; nobody else's is."""
    async with h2.attacker(served.port) as attacker:
        while await attacker.send(h2.frame(h2.PING, 0, 0, bytes(8)) * 10):
            pass
    assert (await issue(await served.caller("bff"))).access_token
