"""Sessions that are bound to a certificate go on over a connection with it, and over no other (RFC 8705)."""

import hashlib

import pytest

from tests.harness import policy_of
from tests.services.use_cases import UseCases
from tokensvc.domain import base64url
from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import RefreshTokenFormat, SenderConstraint
from tokensvc.services.refresh import RefreshOrder

CERTIFICATE, OTHER = hashlib.sha256(b"certificate").digest(), hashlib.sha256(b"other").digest()
BOUND = Confirmation(x5t_s256=base64url.encode(CERTIFICATE))


@pytest.mark.parametrize("token_format", RefreshTokenFormat)
async def test_the_connection_has_to_have_it(use_cases: UseCases, token_format: RefreshTokenFormat) -> None:
    """The one that was named at Issue, in every format; its tokens still are bearer tokens to whom they are shown."""
    policy = policy_of(refresh_token_format=token_format, sender_constraint=SenderConstraint.TLS)
    await use_cases.register("app", policy=policy)
    issued = await use_cases.issue("app", subject="ada", confirmation=BOUND)
    call, order = await use_cases.call("app"), RefreshOrder(issued.refresh_token)
    for certificate in (None, OTHER, CERTIFICATE[:16]):
        with pytest.raises(RefusedError) as refused:
            await use_cases.refreshing.refresh(call._replace(certificate=certificate), order)
        assert refused.value.reason is Reason.BINDING_MISMATCH
        assert refused.value.differs == "key"
    refreshed = await use_cases.refreshing.refresh(call._replace(certificate=CERTIFICATE), order)
    assert (refreshed.token_type, issued.token_type) == ("Bearer", "Bearer")


async def test_a_certificate_does_no_harm(use_cases: UseCases) -> None:
    """Most callers that have one relay sessions that are bound to nothing."""
    await use_cases.register("app")
    issued = await use_cases.issue("app", subject="ada")
    call = (await use_cases.call("app"))._replace(certificate=CERTIFICATE)
    assert (await use_cases.refreshing.refresh(call, RefreshOrder(issued.refresh_token))).refresh_token
