"""Keys follow each other while the service runs, and nothing that they have signed fails because of it."""

import asyncio
import json
from typing import Any

import jwt
import pytest
from tokensvc_pb.v1 import key_service_pb2 as pb

from tests.fakes import FakeClock
from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import is_active, issue, refresh
from tests.rpc.tables import rows_of
from tokensvc.app import key_administration
from tokensvc.domain.client import Permission
from tokensvc.domain.policy import DAY, HOUR, RefreshTokenFormat

SIGNING, MAC, SESSION_MAC = pb.KEY_PURPOSE_SIGNING, pb.KEY_PURPOSE_REFRESH_MAC, pb.KEY_PURPOSE_SESSION_MAC
LEAD = HOUR  # the default
ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256", "ES384"]
IDEMPOTENCY_KEY = "0123456789abcdef"


@pytest.fixture
async def admin(service: Service, clock: FakeClock) -> Caller:
    """Who administers keys, some time after the first ones were made."""
    clock.advance(days=1)
    return await service.caller("admin", permissions=frozenset({Permission.ADMIN}))


async def rotate(admin: Caller, purpose: int = SIGNING, **fields: Any) -> pb.Key:
    """Rotate; answer the new key."""
    return (await admin.RotateKey(pb.RotateKeyRequest(purpose=purpose, **fields))).key


async def states(admin: Caller, purpose: int = SIGNING) -> dict[str, str]:
    """The states of the keys of a purpose by their names."""
    keys = (await admin.ListKeys(pb.ListKeysRequest())).keys
    return {key.key_id: pb.KeyState.Name(key.state)[10:] for key in keys if key.purpose == purpose}


async def jwks(caller: Caller) -> dict[str, dict[str, Any]]:
    """The published keys by their names."""
    found = json.loads((await caller.GetJwks(pb.GetJwksRequest())).jwks)["keys"]
    return {key["kid"]: key for key in found}


def kid(token: str) -> str:
    """The key that a JWT names."""
    return str(jwt.get_unverified_header(token)["kid"])


async def test_a_new_installation_has_an_active_key_of_each_purpose(admin: Caller) -> None:
    """They are listed with their times, and without anything secret."""
    keys = (await admin.ListKeys(pb.ListKeysRequest())).keys
    assert {(key.purpose, key.algorithm, key.state) for key in keys} == {
        (SIGNING, "ES256", pb.KEY_STATE_ACTIVE),
        (MAC, "HS256", pb.KEY_STATE_ACTIVE),
        (SESSION_MAC, "HS256", pb.KEY_STATE_ACTIVE),
    }
    assert not any(key.HasField("retires_at") for key in keys)
    assert "d" not in json.loads(next(key.public_jwk for key in keys if key.purpose == SIGNING))


async def test_a_new_key_is_published_before_it_signs(admin: Caller, bff: Caller, clock: FakeClock) -> None:
    """Every cache of the keys can know it by the time that the first token names it."""
    before = (await issue(bff)).access_token
    new = await rotate(admin)
    assert new.state == pb.KEY_STATE_PREPARED
    assert new.key_id in await jwks(bff)
    assert kid((await issue(bff)).access_token) == kid(before)
    clock.advance(milliseconds=LEAD)
    after = (await issue(bff)).access_token
    assert kid(after) == new.key_id
    assert await states(admin) == {kid(before): "RETIRING", new.key_id: "ACTIVE"}
    assert await is_active(bff, after)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_tokens_of_every_algorithm_verify_offline(admin: Caller, bff: Caller, algorithm: str) -> None:
    """With a library that is not ours, by the published keys; and here."""
    new = await rotate(admin, algorithm=algorithm, immediately=True)
    token = (await issue(bff)).access_token
    key = jwt.PyJWK((await jwks(bff))[kid(token)])
    assert (kid(token), jwt.get_unverified_header(token)["alg"]) == (new.key_id, algorithm)
    unclocked = {"verify_aud": False, "verify_iat": False}  # the tests' clock is ahead of the library's
    assert jwt.decode(token, key, algorithms=[algorithm], options=unclocked)["sub"] == "ada"
    assert await is_active(bff, token)


async def test_tokens_of_the_key_before_stay_good(admin: Caller, bff: Caller) -> None:
    """A rotation, even at once, ends no access token."""
    before = (await issue(bff)).access_token
    await rotate(admin, immediately=True)
    assert await is_active(bff, before)
    assert kid(before) in await jwks(bff)


async def test_a_revoked_key_ends_what_it_has_signed(admin: Caller, bff: Caller) -> None:
    """At once, and another signs from now on; it is published no more."""
    before = (await issue(bff)).access_token
    assert await is_active(bff, before)
    await admin.RevokeKey(pb.RevokeKeyRequest(key_id=kid(before), purpose=SIGNING, reason="stolen"))
    assert not await is_active(bff, before)
    assert kid(before) not in await jwks(bff)
    after = (await issue(bff)).access_token
    assert await is_active(bff, after)
    assert await states(admin) == {kid(before): "RETIRED", kid(after): "ACTIVE"}


@pytest.mark.parametrize("form", list(RefreshTokenFormat))
async def test_refresh_tokens_outlive_their_key(
    service: Service, admin: Caller, clock: FakeClock, form: RefreshTokenFormat
) -> None:
    """What was sealed with the key before refreshes; its successor is sealed with the new one."""
    app = await service.caller("app", policy=policy_of(refresh_token_format=form))
    first = (await issue(app)).refresh_token
    new = await rotate(admin, SESSION_MAC if form is RefreshTokenFormat.STATELESS_JWT else MAC)
    clock.advance(milliseconds=LEAD)
    second = (await refresh(app, first)).refresh_token
    assert [service.keys.refresh_tokens.open(text).key_id for text in (first, second)] == [1, int(new.key_id)]  # type: ignore[union-attr]
    assert (await refresh(app, second)).refresh_token
    assert await is_active(app, (await issue(app)).refresh_token)


async def test_a_retry_over_a_rotation_gets_the_same_token(admin: Caller, bff: Caller, clock: FakeClock) -> None:
    """The response was lost, the key changed, the phone asks again."""
    first = (await issue(bff)).refresh_token
    await rotate(admin, MAC)
    clock.advance(milliseconds=LEAD - 1)
    second = (await refresh(bff, first)).refresh_token
    clock.advance(milliseconds=2)
    assert (await refresh(bff, first)).refresh_token == second
    assert (await refresh(bff, second)).refresh_token


async def test_an_issue_that_is_repeated_over_a_rotation_is_the_same_session(
    admin: Caller, bff: Caller, clock: FakeClock
) -> None:
    """The key that the handle came from has changed, the session has not."""
    first = await issue(bff, idempotency_key=IDEMPOTENCY_KEY)
    await rotate(admin, SESSION_MAC)
    clock.advance(milliseconds=LEAD)
    again = await issue(bff, idempotency_key=IDEMPOTENCY_KEY)
    assert (again.session_id, again.refresh_token) == (first.session_id, first.refresh_token)


async def test_a_revoked_key_ends_its_refresh_tokens(admin: Caller, bff: Caller) -> None:
    """They are refused like any that we have not sealed; new ones are good."""
    before = (await issue(bff)).refresh_token
    await admin.RevokeKey(pb.RevokeKeyRequest(key_id="1", purpose=MAC))
    assert (await failure(refresh(bff, before))).reason == "REFRESH_TOKEN_INVALID"
    after = (await issue(bff)).refresh_token
    assert (await refresh(bff, after)).refresh_token


@pytest.mark.parametrize(("purpose", "survivor"), [(MAC, "stateless"), (SESSION_MAC, "stateful")])
async def test_a_revoked_key_ends_no_tokens_of_the_other_purpose(
    service: Service, admin: Caller, purpose: int, survivor: str
) -> None:
    """Where a row tells of the session and where none does are sealed by two keys: each ends what it has sealed."""
    stateless = await service.caller("app", policy=policy_of(refresh_token_format=RefreshTokenFormat.STATELESS_JWT))
    stateful = await service.caller("web", policy=policy_of())
    given = {name: (await issue(app)).refresh_token for name, app in [("stateless", stateless), ("stateful", stateful)]}
    await admin.RevokeKey(pb.RevokeKeyRequest(key_id="1", purpose=purpose))
    active = {
        name for name, app in [("stateless", stateless), ("stateful", stateful)] if await is_active(app, given[name])
    }
    assert active == {survivor}


async def test_keys_follow_each_other_by_themselves(
    service: Service, admin: Caller, bff: Caller, clock: FakeClock
) -> None:
    """The duty prepares the next ones in time, and ends old ones when nothing that they signed can be alive."""
    administration = key_administration(service.store, service.keys, service.settings, clock)
    first = kid((await issue(bff)).access_token)
    clock.advance(milliseconds=90 * DAY - LEAD)
    await administration.keep()
    assert sorted((await states(admin)).values()) == ["ACTIVE", "PREPARED"]
    clock.advance(milliseconds=LEAD)
    await administration.keep()
    assert (await states(admin))[first] == "RETIRING"
    clock.advance(milliseconds=2 * DAY)
    await administration.keep()
    assert (await states(admin))[first] == "RETIRED"
    assert first not in await jwks(bff)
    assert [row["wrapped"] for row in rows_of(service, "keys") if row["key_id"] == first] == [b""]


async def test_the_duty_does_nothing_twice(service: Service, admin: Caller, clock: FakeClock) -> None:
    """Two nodes that both believe to have the lease make one key."""
    clock.advance(milliseconds=90 * DAY - LEAD)
    nodes = [key_administration(service.store, service.keys, service.settings, clock) for _ in range(2)]
    await asyncio.gather(*(node.keep() for node in nodes))
    assert len(await states(admin)) == 2


async def test_what_was_done_to_keys_is_audited(service: Service, admin: Caller) -> None:
    """Who, what, which key and why."""
    new = await rotate(admin, immediately=True)
    await admin.RevokeKey(pb.RevokeKeyRequest(key_id=new.key_id, purpose=SIGNING, reason="a drill"))
    events = [row for row in rows_of(service, "audit_events") if row["type"].startswith("key.")]
    assert [(row["type"], row["caller"], row["reason"]) for row in events] == [
        ("key.rotated", "admin", ""),
        ("key.revoked", "admin", "a drill"),
    ]
    assert all(json.loads(row["details"])["key_id"] == new.key_id for row in events)


@pytest.mark.parametrize(
    ("method", "request_", "reason", "field"),
    [
        ("RotateKey", pb.RotateKeyRequest(), "INVALID_REQUEST", "purpose"),
        ("RotateKey", pb.RotateKeyRequest(purpose=SIGNING, algorithm="none"), "INVALID_REQUEST", "algorithm"),
        ("RotateKey", pb.RotateKeyRequest(purpose=SIGNING, algorithm="HS256"), "INVALID_REQUEST", "algorithm"),
        ("RotateKey", pb.RotateKeyRequest(purpose=MAC, algorithm="ES256"), "INVALID_REQUEST", "algorithm"),
        ("RevokeKey", pb.RevokeKeyRequest(purpose=SIGNING), "INVALID_REQUEST", "key_id"),
        ("RevokeKey", pb.RevokeKeyRequest(key_id="1"), "INVALID_REQUEST", "purpose"),
        ("RevokeKey", pb.RevokeKeyRequest(key_id="1", purpose=SIGNING), "KEY_NOT_FOUND", "key_id"),
        ("RevokeKey", pb.RevokeKeyRequest(key_id="1", purpose=MAC, reason="\n"), "INVALID_REQUEST", "reason"),
    ],
)
async def test_bad_requests_change_nothing(
    service: Service, admin: Caller, method: str, request_: Any, reason: str, field: str
) -> None:
    """The reason and the field are named."""
    before = rows_of(service, "keys")
    refused = await failure(getattr(admin, method)(request_))
    assert (refused.reason, refused.fields) == (reason, (field,))
    assert rows_of(service, "keys") == before


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListKeys", pb.ListKeysRequest()),
        ("RotateKey", pb.RotateKeyRequest(purpose=SIGNING)),
        ("RevokeKey", pb.RevokeKeyRequest(key_id="1", purpose=MAC)),
    ],
)
async def test_keys_are_for_administrators(bff: Caller, method: str, request_: Any) -> None:
    """Whoever may do everything else may not do this."""
    assert (await failure(getattr(bff, method)(request_))).reason == "CALLER_NOT_PERMITTED"
