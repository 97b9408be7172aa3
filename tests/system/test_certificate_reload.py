"""Certificates that are replaced under load: workers, callers with certificates, a probe; and nobody notices."""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.certificates import Authority, Pair
from tests.cli.processes import serving
from tests.harness import Caller
from tests.rpc.secured import handshake, tls_context
from tests.system.processes import create_client

LIMIT = 30


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


@asynccontextmanager
async def connected(address: str, secret: str, authority: Authority, pair: Pair) -> AsyncIterator[Caller]:
    """A caller on a connection of its own."""
    credentials = grpc.ssl_channel_credentials(authority.certificate, pair.private_key, pair.chain)
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        yield Caller("bff", secret, channel)


async def on_one_connection(caller: Caller, ended: asyncio.Event) -> int:
    """Issue and refresh on a connection that stays; answer how many calls there were."""
    token, calls = (await caller.Issue(pb.IssueRequest(subject="ada"))).refresh_token, 1
    while not ended.is_set():
        token, calls = (await caller.Refresh(pb.RefreshRequest(refresh_token=token))).refresh_token, calls + 1
    return calls


async def on_new_connections(address: str, secret: str, authority: Authority, pair: Pair, ended: asyncio.Event) -> int:
    """Issue, on another connection each time; answer how many calls there were."""
    calls = 0
    while not ended.is_set():
        async with connected(address, secret, authority, pair) as caller:
            await caller.Issue(pb.IssueRequest(subject="ada"))
        calls += 1
    return calls


async def until_shown(address: str, context: ssl.SSLContext, pair: Pair) -> None:
    """Return when several handshakes in a row have shown `pair`: so every worker does."""
    port, in_a_row = int(address.rpartition(":")[2]), 0
    async with asyncio.timeout(LIMIT):
        while in_a_row < 12:
            in_a_row = in_a_row + 1 if (await handshake(port, context)).certificate == pair.der else 0


async def test_no_call_fails_while_certificates_and_workers_are_replaced(tmp_path: Path) -> None:
    """Three times the secret is replaced, and then all workers are, under the calls of connections old and new."""
    authority = Authority()
    client, installation = authority.client(), Installation(tmp_path, authority)
    installation.mount(authority.server())
    secret = create_client(tmp_path / "data", "bff", "--permission", "issue,refresh", "--scope", "read")
    context = tls_context(pair=client.write(tmp_path, "client"))
    flags = (*installation.link(), "--workers", "2", "--max-connection-age", "2", "--health-listen", "127.0.0.1:0")
    with serving(tmp_path / "data", *flags) as (process, said):
        address, ended = said["address"], asyncio.Event()
        async with (
            connected(address, secret, authority, client) as first,
            connected(address, secret, authority, client) as second,
            grpc.aio.insecure_channel(said["health_address"]) as probe,
        ):
            load = [asyncio.create_task(on_one_connection(caller, ended)) for caller in (first, second)]
            load.append(asyncio.create_task(on_new_connections(address, secret, authority, client, ended)))
            for _ in range(3):
                installation.mount(replacement := authority.server())
                await until_shown(address, context, replacement)
                healthy = await health_pb2_grpc.HealthStub(probe).Check(health_pb2.HealthCheckRequest(), timeout=10)
                assert healthy.status == health_pb2.HealthCheckResponse.SERVING
            process.popen.send_signal(signal.SIGHUP)
            await asyncio.to_thread(process.wait_for, "the workers are replaced")
            await until_shown(address, context, replacement)
            ended.set()
            assert min(await asyncio.gather(*load)) > 3
        assert process.end() == 0
    assert not [line for line in process.lines if '"level": "error"' in line or '"level": "warning"' in line]
