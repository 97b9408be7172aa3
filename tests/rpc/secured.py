"""A server behind TLS, the channels to it, and what a handshake with it says."""

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc

from tests.certificates import Authority, Pair
from tests.fakes import FakeRandomness
from tests.harness import Service
from tokensvc.app import build_server
from tokensvc.crypto.server_certificate import CertificateFiles
from tokensvc.rpc.live_certificate import LiveCertificate
from tokensvc.rpc.server import RpcServer

_LIMIT = 10


class Stopwatch:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Secured:
    """A server with a certificate in files."""

    port: int
    server: RpcServer
    authority: Authority
    directory: Path
    stopwatch: Stopwatch

    def replace_certificate(self, pair: Pair) -> None:
        """Write another certificate to its files, and let it be time to look."""
        pair.write(self.directory, "server")
        self.stopwatch.now += 1

    @asynccontextmanager
    async def channel(self, pair: Pair | None = None) -> AsyncIterator[grpc.aio.Channel]:
        """A connection of its own, which shows the certificate `pair`."""
        shown = (pair.private_key, pair.chain) if pair else (None, None)
        credentials = grpc.ssl_channel_credentials(self.authority.certificate, *shown)
        options = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.secure_channel(f"127.0.0.1:{self.port}", credentials, options) as channel:
            yield channel


@asynccontextmanager
async def secured(
    service: Service,
    directory: Path,
    authority: Authority | None = None,
    *,
    mutual: bool = False,
    handlers: Sequence[grpc.GenericRpcHandler] = (),
) -> AsyncIterator[Secured]:
    """A second server with what `service` has, behind TLS; a `mutual` one wants certificates of the same authority."""
    authority, stopwatch = authority or Authority(), Stopwatch()
    cert_file, key_file = authority.server().write(directory, "server")
    client_ca_file = directory / "clients.crt" if mutual else None
    if client_ca_file is not None:
        client_ca_file.write_bytes(authority.certificate)
    live = LiveCertificate(CertificateFiles(cert_file, key_file, client_ca_file).read, service.clock, stopwatch)
    randomness = FakeRandomness("behind TLS")
    settings = service.settings.model_copy(update={"tls_client_ca_file": client_ca_file})
    server = build_server(service.store, service.keys, settings, service.clock, randomness, handlers)
    port = server.listen("127.0.0.1:0", live.credentials())
    await server.start()
    try:
        yield Secured(port, server, authority, directory, stopwatch)
    finally:
        await server.stop(grace=5)


@dataclass(frozen=True)
class Handshake:
    """What came of a TLS handshake: how it was done, the certificate in DER, and whether the server said anything."""

    version: str | None
    protocol: str | None
    certificate: bytes | None
    session: ssl.SSLSession | None
    is_resumed: bool | None
    is_served: bool


def tls_context(
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    protocols: Sequence[str] = ("h2",),
    pair: tuple[Path, Path] | None = None,
) -> ssl.SSLContext:
    """A client of exactly this version, which believes every server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # without it this side would refuse old versions by itself
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


async def handshake(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Handshake:
    """Connect; fails with OSError if the server does not go through with it."""
    return await asyncio.to_thread(_handshake, port, context, session)


def _handshake(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> Handshake:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=_LIMIT) as plain,
        context.wrap_socket(plain, session=session) as connection,
    ):
        seen = connection.version(), connection.selected_alpn_protocol(), connection.getpeercert(binary_form=True)
        is_served = bool(connection.recv(1))
        session, is_resumed = connection.session, connection.session_reused
        with suppress(OSError):
            connection.settimeout(0)
            connection.unwrap()  # a session that was not ended well is not resumed
        return Handshake(*seen, session, is_resumed, is_served)
