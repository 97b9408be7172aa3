"""Sessions that are bound to a certificate, over connections that have it and others (RFC 8705, 4 and 7.1)."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509

from tests.certificates import Authority
from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.faults import through
from tests.rpc.refresh_formats import IN_EVERY_FORMAT
from tests.rpc.secured import Secured, secured
from tests.rpc.steps import introspect, is_active, issue, refresh
from tokensvc.domain import base64url
from tokensvc.domain.policy import RefreshTokenFormat, SenderConstraint

AUTHORITY = Authority()
TILL = AUTHORITY.client(x509.DNSName("till.shop.test"))
RENEWED = AUTHORITY.client(x509.DNSName("till.shop.test"))
BOUND = {"x5t_s256": base64url.encode(sha256(TILL.der).digest())}


@pytest.fixture
async def server(service: Service, tmp_path: Path) -> AsyncIterator[Secured]:
    """A server that wants certificates of AUTHORITY."""
    async with secured(service, tmp_path, AUTHORITY, mutual=True) as running:
        yield running


async def _app(service: Service, token_format: RefreshTokenFormat = RefreshTokenFormat.OPAQUE) -> Caller:
    """A client whose tokens must be bound to certificates."""
    policy = policy_of(refresh_token_format=token_format, sender_constraint=SenderConstraint.TLS)
    return await service.caller("app", policy=policy)


@IN_EVERY_FORMAT
async def test_its_own_connection_refreshes(
    service: Service, server: Secured, token_format: RefreshTokenFormat
) -> None:
    """However often; and its tokens say which certificate they are bound to."""
    app = await _app(service, token_format)
    token = (await issue(app, confirmation=BOUND)).refresh_token
    async with server.channel(TILL) as channel:
        for _ in range(2):
            refreshed = await refresh(through(app, channel), token)
            token = refreshed.refresh_token
            shown = await introspect(app, refreshed.access_token)
            assert (refreshed.token_type, shown.confirmation.x5t_s256) == ("Bearer", BOUND["x5t_s256"])


async def test_no_other_connection_does(service: Service, server: Secured) -> None:
    """Not even with a renewed certificate of the same name; nothing is consumed by the attempt."""
    app = await _app(service)
    token = (await issue(app, confirmation=BOUND)).refresh_token
    async with server.channel(RENEWED) as channel:
        assert (await failure(refresh(through(app, channel), token))).reason == "BINDING_MISMATCH"
    assert (await failure(refresh(app, token))).reason == "BINDING_MISMATCH"
    assert await is_active(app, token)
    async with server.channel(TILL) as channel:
        assert (await refresh(through(app, channel), token)).refresh_token != token
