"""Callers whose certificate says who they are (RFC 8705, 2)."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from tokensvc_pb.v1 import token_service_pb2 as pb
from tokensvc_pb.v1 import token_service_pb2_grpc

from tests.certificates import Authority
from tests.harness import ALL_PERMISSIONS, Caller, Failure, Service, failure, policy_of
from tests.rpc.secured import Secured, secured
from tests.rpc.steps import issue
from tests.rpc.tables import rows_of
from tokensvc.domain.client import Client
from tokensvc.domain.client_authentication import AuthMethod, ClientKeys
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.services.clients import OPERATOR

AUTHORITY = Authority()
SPIFFE_ID = "spiffe://shop.test/till"
TILL = AUTHORITY.client(x509.UniformResourceIdentifier(SPIFFE_ID), x509.DNSName("till.shop.test"))
KEYS = {
    "SPIFFE ID": ClientKeys(tls_spiffe_id=SPIFFE_ID),
    "DNS name": ClientKeys(tls_dns_name="till.shop.test"),
    "fingerprint": ClientKeys(tls_sha256=sha256(TILL.der).hexdigest()),
}


@pytest.fixture
async def server(service: Service, tmp_path: Path) -> AsyncIterator[Secured]:
    """A server that wants certificates of AUTHORITY."""
    async with secured(service, tmp_path, AUTHORITY, mutual=True) as running:
        yield running


async def register(service: Service, client_id: str, keys: ClientKeys, **fields: Any) -> None:
    """Register a client that authenticates by TLS."""
    client = Client(
        client_id,
        permissions=ALL_PERMISSIONS,
        policy=policy_of(),
        auth_method=AuthMethod.TLS,
        keys=keys,
        **fields,
    )
    await service.clients.create(client, confidential=True, caller=OPERATOR)


async def call(server: Secured, metadata: Any = ()) -> pb.IssueResponse:
    """Issue a token over a connection of TILL's."""
    async with server.channel(TILL) as channel:
        stub = token_service_pb2_grpc.TokenServiceStub(channel)
        answer: pb.IssueResponse = await stub.Issue(pb.IssueRequest(subject="ada"), metadata=metadata, timeout=10)
        return answer


async def refusal_of_stranger(service: Service) -> Failure:
    """What a caller is told of whom nothing is known."""
    return await failure(issue(Caller("nobody", "wrong", service.channel)))


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
async def test_a_certificate_says_who_calls(service: Service, server: Secured, keys: ClientKeys) -> None:
    """Without any header the client is the one that has registered a name in the certificate, or its fingerprint."""
    await register(service, "till", keys)
    assert (await call(server)).session_id


@pytest.mark.parametrize(
    "keys",
    [
        ClientKeys(tls_spiffe_id="spiffe://shop.test/other"),
        ClientKeys(tls_dns_name="shop.test"),
        ClientKeys(tls_sha256="0" * 64),
    ],
    ids=KEYS,
)
async def test_another_name_is_nobody(service: Service, server: Secured, keys: ClientKeys) -> None:
    """A certificate that names no client is refused like any stranger."""
    await register(service, "till", keys)
    assert await failure(call(server)) == await refusal_of_stranger(service)


async def test_a_certificate_of_two_clients_is_nobodys(service: Service, server: Secured) -> None:
    """Where it cannot be told which of them calls, neither does."""
    await register(service, "till", KEYS["SPIFFE ID"])
    await register(service, "cellar", KEYS["DNS name"])
    assert await failure(call(server)) == await refusal_of_stranger(service)


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
async def test_a_name_is_registered_once(service: Service, server: Secured, keys: ClientKeys) -> None:
    """Neither a new client nor a changed one takes it from the first, which may be changed itself."""
    await register(service, "till", keys)
    await register(service, "cellar", ClientKeys(tls_dns_name="cellar.shop.test"))
    attempts = (register(service, "second", keys), service.clients.update("cellar", {"keys": keys}, caller=OPERATOR))
    for attempt in attempts:
        with pytest.raises(RefusedError) as refused:
            await attempt
        assert (refused.value.reason, refused.value.field.partition(".")[0]) == (Reason.INVALID_REQUEST, "keys")
    await service.clients.update("till", {"keys": keys, "name": "Till"}, caller=OPERATOR)
    assert (await call(server)).session_id


async def test_a_disabled_client_is_refused_at_once(service: Service, server: Secured) -> None:
    """Also on a connection that has been open for a while."""
    await register(service, "till", KEYS["SPIFFE ID"])
    async with server.channel(TILL) as channel:
        stub = token_service_pb2_grpc.TokenServiceStub(channel)
        assert (await stub.Issue(pb.IssueRequest(subject="ada"), timeout=10)).session_id
        await service.clients.update("till", {"disabled": True}, caller=OPERATOR)
        refused = await failure(stub.Issue(pb.IssueRequest(subject="ada"), timeout=10))
    assert refused == await refusal_of_stranger(service)


@pytest.mark.parametrize("keys", [KEYS["SPIFFE ID"], KEYS["fingerprint"]], ids=["SPIFFE ID", "fingerprint"])
async def test_a_dns_name_is_a_dns_name(service: Service, tmp_path: Path, keys: ClientKeys) -> None:
    """However it is spelt: an authority that signs any name does not let its holder be another client."""
    await register(service, "till", keys)
    ((_, name),) = keys.certificate_names
    thief = AUTHORITY.client(x509.DNSName(name))
    async with secured(service, tmp_path, AUTHORITY, mutual=True) as server, server.channel(thief) as channel:
        stub = token_service_pb2_grpc.TokenServiceStub(channel)
        refused = await failure(stub.Issue(pb.IssueRequest(subject="ada"), timeout=10))
    assert refused == await refusal_of_stranger(service)


async def test_the_trail_names_whom_a_certificate_names(service: Service, server: Secured) -> None:
    """A refused call of a client that is disabled is recorded as what it claims to be."""
    await register(service, "till", KEYS["SPIFFE ID"], disabled=True)
    await failure(call(server))
    await server.server.stop(0)
    (event,) = [row for row in rows_of(service, "audit_events") if row["type"] == "refused"]
    assert event["client_id"] == "till"


async def test_a_header_says_more_than_a_certificate(service: Service, server: Secured, bff: Caller) -> None:
    """Who sends a header is who the header proves, whatever the certificate names."""
    await register(service, "till", KEYS["SPIFFE ID"])
    assert (await call(server, bff.metadata)).session_id
    wrong = Caller("till", "secret", service.channel).metadata
    assert await failure(call(server, wrong)) == await refusal_of_stranger(service)


async def test_a_client_with_a_secret_is_not_recognised_by_a_certificate(service: Service, server: Secured) -> None:
    """A client has one method."""
    await service.caller("till.shop.test")
    assert await failure(call(server)) == await refusal_of_stranger(service)


async def test_in_plaintext_a_certificate_says_nothing(service: Service) -> None:
    """Without TLS such a client cannot call."""
    await register(service, "till", KEYS["SPIFFE ID"])
    headers = (("x-forwarded-client-cert", f"URI={SPIFFE_ID}"),)
    stub = token_service_pb2_grpc.TokenServiceStub(service.channel)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Issue(pb.IssueRequest(subject="ada"), metadata=headers, timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
