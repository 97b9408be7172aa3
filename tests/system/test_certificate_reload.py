"""Certificates replaced under load, on two nodes of two workers, beside callers with certificates: nobody notices."""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests import postgres_databases
from tests.certificates import Authority, Pair
from tests.cli.processes import Process, serving
from tests.harness import Caller
from tests.rpc.secured import handshake, tls_context
from tests.system.phones import phone
from tests.system.processes import create_client, tokensvc

DATABASE = "tokensvc_certificates"
FLAGS = ("--workers", "2", "--max-connection-age", "2", "--health-listen", "127.0.0.1:0")
CLIENT = ("--permission", "issue,refresh,introspect", "--audience", "api", "--answers-for", "api")
PHONES = 2
LIMIT = 30

Connect = Callable[[], AbstractAsyncContextManager[Caller]]


@dataclass
class Installation:
    """A directory that is mounted as Kubernetes mounts a secret: links through `..data`."""

    directory: Path
    authority: Authority
    version: int = 0

    def mount(self, pair: Pair) -> None:
        """Put a new version of the secret in place, all of it at once."""
        self.version += 1
        (version := self.directory / f"..{self.version}").mkdir()
        pair.write(version, "tls")
        (version / "ca.crt").write_bytes(self.authority.certificate)
        (link := self.directory / "..data_tmp").symlink_to(version.name)
        link.rename(self.directory / "..data")

    def link(self) -> tuple[str, ...]:
        """Link the files; answer the flags of a server that uses them."""
        files = {"--tls-cert-file": "tls.crt", "--tls-key-file": "tls.key", "--tls-client-ca-file": "ca.crt"}
        for name in files.values():
            (self.directory / name).symlink_to(f"..data/{name}")
        return tuple(part for flag, name in files.items() for part in (flag, str(self.directory / name)))


@dataclass(frozen=True)
class Node:
    """A server, and the secret that it has mounted."""

    installation: Installation
    process: Process
    address: str
    health_address: str

    async def is_healthy(self) -> bool:
        """Whether a probe without a certificate hears that it serves."""
        async with grpc.aio.insecure_channel(self.health_address) as probe:
            answer = await health_pb2_grpc.HealthStub(probe).Check(health_pb2.HealthCheckRequest(), timeout=10)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def replace_certificate(self, context: ssl.SSLContext) -> None:
        """Mount another one; return when every worker shows it."""
        self.installation.mount(pair := self.installation.authority.server())
        await until_shown(self.address, context, pair)

    async def replace_workers(self) -> None:
        """Have all of them replaced."""
        self.process.popen.send_signal(signal.SIGHUP)
        await asyncio.to_thread(self.process.wait_for, "the workers are replaced")


@dataclass(frozen=True)
class Scene:
    """Two nodes that share a database and a root key, a client, and the authority of all certificates."""

    nodes: Sequence[Node]
    secret: str
    authority: Authority


@asynccontextmanager
async def connected(address: str, secret: str, authority: Authority, pair: Pair) -> AsyncIterator[Caller]:
    """A caller on a connection of its own."""
    credentials = grpc.ssl_channel_credentials(authority.certificate, pair.private_key, pair.chain)
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        yield Caller("bff", secret, channel)


async def on_new_connections(connect: Connect, ended: asyncio.Event) -> int:
    """Issue, on another connection each time; answer how many calls there were."""
    calls = 0
    while not ended.is_set():
        async with connect() as caller:
            await caller.Issue(pb.IssueRequest(subject="ada"))
        calls += 1
    return calls


async def until_shown(address: str, context: ssl.SSLContext, pair: Pair) -> None:
    """Return when several handshakes in a row have shown `pair`: so every worker does."""
    port, in_a_row = int(address.rpartition(":")[2]), 0
    async with asyncio.timeout(LIMIT):
        while in_a_row < 12:
            in_a_row = in_a_row + 1 if (await handshake(port, context)).certificate == pair.der else 0


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """The nodes run; at the end they stop as they should, and have complained of nothing."""
    settings = {
        "database_url": postgres_databases.create_database(DATABASE),
        "root_key_file": str(tmp_path / "root.key"),
    }
    tokensvc("db", "upgrade", data_dir=tmp_path, **settings)
    secret, authority = create_client(tmp_path, "bff", *CLIENT, **settings), Authority()
    with ExitStack() as stack:
        nodes = []
        for directory in (tmp_path / "one", tmp_path / "two"):
            directory.mkdir()
            installation = Installation(directory, authority)
            installation.mount(authority.server())
            process, said = stack.enter_context(serving(directory, *installation.link(), *FLAGS, **settings))
            nodes.append(Node(installation, process, said["address"], said["health_address"]))
        yield Scene(nodes, secret, authority)
        for node in nodes:
            assert node.process.end() == 0
            lines = node.process.lines
            assert not [line for line in lines if '"level": "error"' in line or '"level": "warning"' in line]
    postgres_databases.drop_database(DATABASE)


async def test_no_call_fails_while_certificates_and_workers_are_replaced(scene: Scene, tmp_path: Path) -> None:
    """Three times each node's certificate is replaced, and then its workers are, under connections old and new.

    Phones refresh at one node and the other, and verifiers beside them keep the public keys for a while.
    """
    pair, ended = scene.authority.client(), asyncio.Event()
    context = tls_context(pair=pair.write(tmp_path, "client"))
    connects: list[Connect] = [
        partial(connected, node.address, scene.secret, scene.authority, pair) for node in scene.nodes
    ]
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(connect()) for connect in connects]
        phones = [asyncio.create_task(phone((one, two), f"user-{place}", ended.is_set)) for place in range(PHONES)]
        others = [asyncio.create_task(on_new_connections(connect, ended)) for connect in connects]
        for _ in range(3):
            for node in scene.nodes:
                await node.replace_certificate(context)
                assert await node.is_healthy()
        for node in scene.nodes:
            await node.replace_workers()
            assert await node.is_healthy()
        ended.set()
        await asyncio.gather(*phones)
        assert min(await asyncio.gather(*others)) > 3
