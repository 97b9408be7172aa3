"""Formats of refresh tokens over the wire: the same guarantees in another text."""

import pytest
from tokensvc_pb.v1 import token_pb2

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import change_policy, introspect, is_active, issue, refresh, revoke
from tokensvc.domain.policy import RefreshTokenFormat


@pytest.fixture
async def app(service: Service) -> Caller:
    """A client whose refresh tokens are JWTs."""
    return await service.caller("app", policy=policy_of(refresh_token_format=RefreshTokenFormat.JWT))


async def test_a_jwt_rotates_and_retries(app: Caller) -> None:
    """A repeated refresh gets the identical successor."""
    issued = await issue(app)
    assert issued.refresh_token.count(".") == 2
    first, again = [await refresh(app, issued.refresh_token) for _ in range(2)]
    assert first.refresh_token == again.refresh_token != issued.refresh_token
    assert (await refresh(app, first.refresh_token)).refresh_token.count(".") == 2


async def test_reuse_of_a_jwt_ends_the_family(app: Caller) -> None:
    """An old generation is caught as in the opaque format."""
    issued = await issue(app)
    second = await refresh(app, issued.refresh_token)
    third = await refresh(app, second.refresh_token)
    assert (await failure(refresh(app, issued.refresh_token))).reason == "REFRESH_TOKEN_REUSED"
    assert not await is_active(app, third.refresh_token)
    assert not await is_active(app, third.access_token)


async def test_a_refresh_jwt_is_introspected_as_one(app: Caller) -> None:
    """It is active as a refresh token, with the session's claims."""
    issued = await issue(app)
    answer = await introspect(app, issued.refresh_token)
    assert (answer.active, answer.session_id, answer.subject) == (True, issued.session_id, "ada")
    assert answer.token_use == token_pb2.TOKEN_USE_REFRESH


async def test_one_is_never_taken_for_the_other(app: Caller) -> None:
    """An access token refreshes nothing."""
    issued = await issue(app)
    assert (await failure(refresh(app, issued.access_token))).reason == "REFRESH_TOKEN_INVALID"


async def test_revoking_a_refresh_jwt_ends_its_session(app: Caller) -> None:
    """Also through an old one."""
    issued = await issue(app)
    second = await refresh(app, issued.refresh_token)
    await revoke(app, token=issued.refresh_token)
    assert not await is_active(app, second.access_token)
    assert (await failure(refresh(app, second.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (RefreshTokenFormat.OPAQUE, RefreshTokenFormat.JWT),
        (RefreshTokenFormat.JWT, RefreshTokenFormat.OPAQUE),
    ],
)
async def test_a_client_may_change_its_format(
    service: Service, app: Caller, before: RefreshTokenFormat, after: RefreshTokenFormat
) -> None:
    """Old tokens stay valid until they die; their successors have the new format, and reuse is caught across both."""
    await change_policy(service, "app", refresh_token_format=before)
    issued = await issue(app)
    await change_policy(service, "app", refresh_token_format=after)
    second = await refresh(app, issued.refresh_token)
    assert ("." in issued.refresh_token) is (before is RefreshTokenFormat.JWT)
    assert ("." in second.refresh_token) is (after is RefreshTokenFormat.JWT)
    third = await refresh(app, second.refresh_token)
    assert (await failure(refresh(app, issued.refresh_token))).reason == "REFRESH_TOKEN_REUSED"
    assert not await is_active(app, third.access_token)
