"""The raw bytes of a database after some work: no token, no key and no secret stands in them, in any spelling."""

import base64
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service
from tokensvc.crypto.key_providers import open_providers
from tokensvc.crypto.key_ring import open_mac_keys, open_signing_keys
from tokensvc.crypto.root_keys import parse_root_key, read_root_keys
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.refresh_token import parse

IDEMPOTENCY_KEY = "canary-idempotency-key"
CREDENTIAL_VERSION = "canary-credential-version"


@dataclass(frozen=True)
class Dump:
    """Every byte on the disk but the root key's, and what was handed out while they were written."""

    data: bytes
    issued: pb.IssueResponse
    refreshed: pb.RefreshResponse

    def holds(self, value: bytes | str) -> bool:
        """Whether `value` stands in the dump as it is, in hexadecimal, or in base64 of either alphabet."""
        value = value.encode() if isinstance(value, str) else value
        spellings = (
            value,
            value.hex().encode(),
            value.hex().upper().encode(),
            base64.b64encode(value).rstrip(b"="),
            base64.urlsafe_b64encode(value).rstrip(b"="),
        )
        return any(spelling in self.data for spelling in spellings)


@pytest.fixture
async def dump(service: Service, bff: Caller) -> Dump:
    """A session was issued, refreshed, retried and introspected, and an access token revoked."""
    issued = await bff.Issue(
        pb.IssueRequest(subject="ada", idempotency_key=IDEMPOTENCY_KEY, credential_version=CREDENTIAL_VERSION)
    )
    request = pb.RefreshRequest(refresh_token=issued.refresh_token, credential_version=CREDENTIAL_VERSION)
    refreshed = await bff.Refresh(request)
    await bff.Refresh(request)
    for token in (refreshed.refresh_token, refreshed.access_token):
        assert (await bff.Introspect(pb.IntrospectRequest(token=token))).active
    await bff.Revoke(pb.RevokeRequest(token=issued.access_token))
    path = service.settings.database_path
    return Dump(b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*")), issued, refreshed)


async def test_the_dump_holds_what_is_public(dump: Dump, service: Service) -> None:
    """The session's id, its subject and the public key are found: a search that finds nothing else means something."""
    assert dump.holds(dump.issued.session_id)
    assert dump.holds("ada")
    assert dump.holds((await service.store.keys())[0].wrapped)
    assert any(key.public_jwk and dump.holds(key.public_jwk) for key in await service.store.keys())


async def test_no_refresh_token_is_stored(dump: Dump) -> None:
    """Neither a whole token, nor its handle, nor its tag, nor its bytes."""
    for token in (dump.issued.refresh_token, dump.refreshed.refresh_token):
        raw = parse(token)
        assert raw is not None
        assert not any(map(dump.holds, (token, token[5:], raw, raw[1:], raw[1:17], raw[21:])))


async def test_no_access_token_is_stored(dump: Dump) -> None:
    """Neither a whole token nor its signature, a revoked one's neither."""
    for token in (dump.issued.access_token, dump.refreshed.access_token):
        assert not dump.holds(token)
        assert not dump.holds(token.rpartition(".")[2])


async def test_no_private_key_is_stored_in_the_clear(dump: Dump, service: Service) -> None:
    """The signing key's scalar, its DER form and the MAC key are there only as what AES-GCM made of them."""
    wrapper = Wrapper(*open_providers(read_root_keys(service.settings.root_key_path), ""))
    stored = await service.store.keys()
    (signing,) = open_signing_keys(stored, wrapper)
    assert isinstance(signing.private, ec.EllipticCurvePrivateKey)
    der = signing.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    scalar = signing.private.private_numbers().private_value.to_bytes(32, "big")
    assert not any(map(dump.holds, (der, scalar, *(key.secret for key in open_mac_keys(stored, wrapper)))))


async def test_the_root_key_is_not_stored(dump: Dump, service: Service) -> None:
    """The key that opens the keys stands in its own file alone."""
    text = read_root_keys(service.settings.root_key_path).strip()
    assert not dump.holds(text)
    assert not dump.holds(parse_root_key(text, ""))


async def test_no_client_secret_is_stored(dump: Dump, bff: Caller) -> None:
    """Of a client's secret there is a hash."""
    assert not dump.holds(bff.secret)
    assert not dump.holds(base64.urlsafe_b64decode(bff.secret.removeprefix("tscs_") + "="))


async def test_what_identifies_a_login_is_not_stored(dump: Dump) -> None:
    """Neither the idempotency key nor the fingerprint of the user's credentials can be read, or searched for."""
    assert not dump.holds(IDEMPOTENCY_KEY)
    assert not dump.holds(CREDENTIAL_VERSION)
