"""A server that wants a certificate of every client: whom it takes, and what it learns of them."""

import ssl
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

from tests.certificates import CLIENT, LONG_AGO, SERVER, Authority, Pair
from tests.harness import Caller, Service
from tests.rpc.faults import through
from tests.rpc.secured import Secured, handshake, secured, tls_context
from tests.rpc.steps import issue
from tokensvc.crypto.peer_certificate import read_peer_certificate
from tokensvc.domain.certificate import PeerCertificate
from tokensvc.rpc.peer import Peers

AUTHORITY = Authority()
SPIFFE_ID = "spiffe://shop.test/bff"
NAMES = (x509.UniformResourceIdentifier(SPIFFE_ID), x509.DNSName("BFF.shop.test"))
GOOD = AUTHORITY.client(*NAMES)

WHO = "/tests.Who/AmI"
PEERS = Peers(read_peer_certificate)


async def _who_calls(_request: bytes, context: Any) -> bytes:
    return repr(PEERS.certificate_of(context)).encode()


HANDLERS = [grpc.method_handlers_generic_handler("tests.Who", {"AmI": grpc.unary_unary_rpc_method_handler(_who_calls)})]


@pytest.fixture
async def server(service: Service, tmp_path: Path) -> AsyncIterator[Secured]:
    """A server that wants certificates of AUTHORITY, and can tell who calls."""
    async with secured(service, tmp_path, AUTHORITY, mutual=True, handlers=HANDLERS) as running:
        yield running


async def test_a_certificate_and_a_secret_go_together(server: Secured, bff: Caller) -> None:
    """Who has a certificate of the authority connects, and is recognised by its secret as everywhere."""
    async with server.channel(GOOD) as channel:
        assert (await issue(through(bff, channel))).access_token


@pytest.mark.parametrize(
    "pair",
    [
        None,
        Authority("another one").client(*NAMES),
        Authority(AUTHORITY.name).client(*NAMES),
        AUTHORITY.client(*NAMES, until=LONG_AGO),
        AUTHORITY.issue(NAMES, SERVER),
    ],
    ids=["none", "another authority", "another authority of that name", "expired", "for servers"],
)
async def test_case_38_nobody_else_gets_in(server: Secured, bff: Caller, pair: Pair | None) -> None:
    """Without a certificate, with one of others, expired, or not for clients there is no connection, for any method."""
    async with server.channel(pair) as channel:
        for call in (issue(through(bff, channel)), channel.unary_unary(WHO)(b"", timeout=10)):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await call
            assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_certificate_tells_who_calls(server: Secured) -> None:
    """Its hash, its SPIFFE ID and its DNS names are known to the server."""
    async with server.channel(GOOD) as channel:
        said = await channel.unary_unary(WHO)(b"", timeout=10)
    assert said.decode() == repr(PeerCertificate(sha256(GOOD.der).digest(), SPIFFE_ID, ("bff.shop.test",)))


async def test_a_certificate_for_anything_names_nobody(server: Secured) -> None:
    """One that does not say that it is for clients passes TLS, but nobody is recognised by it."""
    async with server.channel(AUTHORITY.issue(NAMES)) as channel:
        assert await channel.unary_unary(WHO)(b"", timeout=10) == b"None"


async def test_in_plaintext_nobody_is_named(service: Service) -> None:
    """A connection without TLS has no certificate."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(HANDLERS)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await channel.unary_unary(WHO)(b"", timeout=10) == b"None"
    await server.stop(None)


HEADERS = {
    "x-forwarded-client-cert": f'Hash={sha256(GOOD.der).hexdigest()};URI={SPIFFE_ID};DNS="bff.shop.test"',
    "x-ssl-cert": GOOD.chain.decode().replace("\n", "%0A"),
    "ssl-client-cert": GOOD.chain.decode().replace("\n", "%0a"),
    "x-client-cert": GOOD.chain.decode().replace("\n", " "),
    "client-cert": f":{GOOD.chain.decode().replace(chr(10), '')}:",
    "ssl-client-verify": "SUCCESS",
    "x-ssl-client-verify": "SUCCESS",
    "ssl-client-subject-dn": "CN=bff",
}


async def test_case_38_certificates_in_headers_are_ignored(service: Service, server: Secured, bff: Caller) -> None:
    """A certificate that a header claims names nobody and replaces no secret, in plaintext and behind TLS.

    What is refused is refused as without the headers.
    """
    headers = tuple(HEADERS.items())
    async with server.channel(AUTHORITY.client()) as channel:
        assert SPIFFE_ID not in (await channel.unary_unary(WHO)(b"", metadata=headers, timeout=10)).decode()
        for way in (channel, service.channel):
            plain, with_headers = [await _refused(way, metadata) for metadata in ((), headers)]
            assert plain == with_headers
            assert plain[0] is grpc.StatusCode.UNAUTHENTICATED
            call = way.unary_unary("/tokensvc.v1.TokenService/Issue")
            assert await call(b"\x0a\x03ada", metadata=(*bff.metadata, *headers), timeout=10)


async def _refused(channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> tuple[Any, ...]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary("/tokensvc.v1.TokenService/Issue")(b"", metadata=metadata, timeout=10)
    return refused.value.code(), refused.value.details(), tuple(refused.value.trailing_metadata() or ())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_is_not_resumed_after_the_next_look(server: Secured, version: ssl.TLSVersion) -> None:
    """A session from before does not spare a client the verification of its certificate, which may have expired."""
    context = tls_context(version, pair=GOOD.write(server.directory, "client"))
    first = await handshake(server.port, context)
    assert (await handshake(server.port, context, first.session)).is_resumed
    server.stopwatch.now += 1
    again = await handshake(server.port, context, first.session)
    assert (again.is_resumed, again.is_served) == (False, True)


async def test_another_authority_counts_for_new_connections(server: Secured, bff: Caller) -> None:
    """When the file of authorities is replaced, who was taken before is not any more, and the others are."""
    other = Authority("the next one")
    (server.directory / "clients.crt").write_bytes(other.certificate)
    server.stopwatch.now += 1
    async with server.channel(other.client()) as channel:
        assert (await issue(through(bff, channel))).access_token
    async with server.channel(GOOD) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await issue(through(bff, channel))


def test_a_certificate_is_read_once() -> None:
    """However many calls a connection carries, and however many connections show it; so many are remembered at most."""
    read: list[bytes] = []

    class Connected:
        """The context of a call."""

        def __init__(self, *pems: bytes) -> None:
            self._properties = {"x509_pem_cert": list(pems)} if pems else {}

        def auth_context(self) -> dict[str, list[bytes]]:
            """As gRPC answers it."""
            return self._properties

    def reading(pem: bytes) -> PeerCertificate:
        read.append(pem)
        return PeerCertificate(sha256(pem).digest())

    peers = Peers(reading)
    pems = [str(number).encode() for number in range(5000)]
    for pem in (*pems, *pems[-100:], *pems[-100:]):
        found = peers.certificate_of(Connected(pem))
        assert found is not None
        assert found.sha256 == sha256(pem).digest()
    assert read == pems
    assert peers.certificate_of(Connected()) is None
    peers.certificate_of(Connected(pems[0]))
    assert read == [*pems, pems[0]]


def test_the_use_for_clients_may_be_one_of_several() -> None:
    """A certificate for servers and clients is one for clients."""
    assert read_peer_certificate(AUTHORITY.issue(NAMES, SERVER, CLIENT).chain) is not None
