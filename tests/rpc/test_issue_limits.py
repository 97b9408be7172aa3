"""What Issue gives less of than was asked for, and what it refuses."""

from typing import Any

import pytest

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import introspect, is_active, issue, session_of
from tests.rpc.tables import tables_of
from tokensvc.domain.access_token import RESERVED
from tokensvc.domain.policy import MINUTE, RefreshTokenFormat
from tokensvc.services.clients import OPERATOR


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (60, 60), (300, 300), (301, 300), (10**9, 300)])
async def test_the_access_lifetime_is_the_shorter_of_wish_and_policy(bff: Caller, asked: int, given: int) -> None:
    """An access lifetime may be shortened per Issue, and never goes beyond the policy's."""
    issued = await issue(bff, access_ttl={"seconds": asked})
    seen = await introspect(bff, issued.access_token)
    assert issued.expires_in == seen.expires_at.seconds - seen.issued_at.seconds == given


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (3600, 3600), (89 * 86_400, 89 * 86_400), (10**10, 90 * 86_400)])
async def test_the_session_lifetime_is_the_shorter_of_wish_and_policy(bff: Caller, asked: int, given: int) -> None:
    """A session's lifetime may be shortened per Issue, and never goes beyond the policy's."""
    session = await session_of(bff, (await issue(bff, refresh_ttl={"seconds": asked})).session_id)
    assert session.expires_at.seconds - session.started_at.seconds == given


async def test_an_access_token_never_outlives_its_session(bff: Caller) -> None:
    """A session of ten seconds gives access tokens of at most ten seconds."""
    issued = await issue(bff, refresh_ttl={"seconds": 10})
    assert issued.expires_in == issued.refresh_expires_in == 10


async def test_a_shortened_access_token_dies_when_it_was_told_to(service: Service, bff: Caller) -> None:
    """An access token with a lifetime of its own is inactive when that is over, and active until then."""
    issued = await issue(bff, access_ttl={"seconds": 2})
    service.clock.advance(seconds=1.999)
    assert await is_active(bff, issued.access_token)
    service.clock.advance(seconds=0.001)
    assert not await is_active(bff, issued.access_token)


async def test_lifetimes_are_those_of_the_tokens_client(service: Service, bff: Caller) -> None:
    """The policy that counts is that of the client the token is for, not the caller's."""
    await service.public_client("app", policy_of(access_ttl=MINUTE, refresh_idle_ttl=2 * MINUTE))
    issued = await issue(bff, client_id="app")
    assert (issued.expires_in, issued.refresh_expires_in) == (60, 120)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"scopes": ["read", "admin"]}, "INVALID_SCOPE"),
        ({"scopes": ["READ"]}, "INVALID_SCOPE"),
        ({"audiences": ["api", "elsewhere"]}, "INVALID_AUDIENCE"),
        ({"audiences": ["https://issuer.test"]}, "INVALID_AUDIENCE"),
    ],
)
async def test_more_than_the_policy_allows_is_refused(
    service: Service, bff: Caller, fields: dict[str, list[str]], reason: str
) -> None:
    """A scope or audience outside the client's policy is refused with its field named, and nothing is written."""
    before = tables_of(service)
    refused = await failure(issue(bff, **fields))
    assert (refused.code.name, refused.reason, refused.fields) == ("INVALID_ARGUMENT", reason, tuple(fields))
    assert tables_of(service) == before


async def test_a_client_without_scopes_gets_a_token_without_scopes(service: Service, bff: Caller) -> None:
    """A policy without scopes gives tokens that have none and are active all the same."""
    await service.public_client("app", policy_of(scopes=()))
    issued = await issue(bff, client_id="app")
    seen = await introspect(bff, issued.access_token)
    assert seen.active
    assert issued.scopes == seen.scopes == []


@pytest.mark.parametrize("name", sorted(RESERVED))
async def test_a_reserved_claim_cannot_be_set(service: Service, bff: Caller, name: str) -> None:
    """A claim that the service or a standard defines is refused, whatever its value, and nothing is written."""
    before = tables_of(service)
    refused = await failure(issue(bff, claims={name: None, "harmless": 1}))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("claims",))
    assert tables_of(service) == before


async def test_a_caller_issues_only_for_clients_that_it_acts_for(service: Service) -> None:
    """A caller is refused for a client that it may not act for, whether that client exists or not."""
    narrow = await service.caller("narrow", acts_for=frozenset({"mine"}))
    await service.public_client("mine")
    await service.public_client("theirs")
    assert (await issue(narrow, client_id="mine")).access_token
    existing = await failure(issue(narrow, client_id="theirs"))
    missing = await failure(issue(narrow, client_id="nobodys"))
    assert existing == missing
    assert (existing.code.name, existing.reason) == ("PERMISSION_DENIED", "CALLER_NOT_PERMITTED")


async def test_an_unknown_client_is_not_found(bff: Caller) -> None:
    """A token for a client that does not exist is refused with the field named."""
    refused = await failure(issue(bff, client_id="nobody"))
    assert (refused.code.name, refused.reason, refused.fields) == ("NOT_FOUND", "CLIENT_NOT_FOUND", ("client_id",))


async def test_a_disabled_client_gets_no_tokens(service: Service, bff: Caller) -> None:
    """A token for a disabled client is refused, and given again when the client is enabled."""
    await service.public_client("app")
    await service.clients.set_disabled("app", disabled=True, caller=OPERATOR)
    refused = await failure(issue(bff, client_id="app"))
    assert (refused.code.name, refused.reason) == ("PERMISSION_DENIED", "CLIENT_DISABLED")
    await service.clients.set_disabled("app", disabled=False, caller=OPERATOR)
    assert await is_active(bff, (await issue(bff, client_id="app")).access_token)


async def test_the_largest_token_that_is_issued_is_active(service: Service) -> None:
    """With every field at its limit the access token is not too long to be introspected."""
    scopes = tuple(f"{number:063}s" for number in range(64))
    audiences = tuple(f"{number:063}a" for number in range(64))
    caller = await service.caller("largest", policy=policy_of(scopes=scopes, audiences=audiences))
    key = "\U0001f511" * 255
    issued = await issue(
        caller, subject=key, device={"id": key}, acr=key, amr=["m" * 64] * 16, claims={"text": "x" * 4080}
    )
    assert await is_active(caller, issued.access_token)


_KEY = "\U0001f511"  # a character that takes twelve bytes of JSON


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"subject": _KEY * 255, "amr": [_KEY * 64] * 16}, "amr"),
        ({"subject": _KEY * 255, "device": dict.fromkeys(("id", "name", "platform"), _KEY * 255)}, "device"),
        ({"subject": _KEY * 255, "acr": _KEY * 255, "claims": {"text": "\\" * 2000}}, "claims"),
    ],
    ids=["amr", "device", "claims"],
)
async def test_tokens_that_would_be_too_long_are_refused(service: Service, fields: dict[str, Any], field: str) -> None:
    """Each field is within its limit, all together are too much: the largest is named, and nothing is written."""
    policy = policy_of(
        scopes=tuple(f"{number:063}s" for number in range(64)),
        audiences=tuple(f"{number:063}a" for number in range(64)),
        refresh_token_format=RefreshTokenFormat.STATELESS_JWT,
    )
    caller = await service.caller("largest", policy=policy)
    before = tables_of(service)
    refused = await failure(issue(caller, **fields))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", (field,))
    assert tables_of(service) == before
