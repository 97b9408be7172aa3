"""What a repeated Issue with the same idempotency key answers."""

import asyncio
from typing import Any

import pytest

from tests.harness import Caller, Failure, Service, failure
from tests.rpc.steps import change_policy, is_active, issue, refresh, revoke
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.policy import DAY, HOUR

KEY = "login-4711-attempt-1"


def _of_key(refused: Failure) -> bool:
    return (refused.reason, refused.fields) == ("INVALID_REQUEST", ("idempotency_key",))


async def test_a_repeated_issue_is_the_same_session(service: Service, bff: Caller) -> None:
    """The same key gives the same session and the same refresh token, from one row."""
    first = await issue(bff, idempotency_key=KEY)
    service.clock.advance(seconds=5)
    second = await issue(bff, idempotency_key=KEY)
    assert (first.session_id, first.refresh_token) == (second.session_id, second.refresh_token)
    assert len(rows_of(service, "sessions")) == 1


async def test_a_repeated_issue_brings_a_fresh_access_token(bff: Caller) -> None:
    """Both access tokens of a repeated Issue are active, and they are two."""
    tokens = {(await issue(bff, idempotency_key=KEY)).access_token for _ in range(2)}
    assert len(tokens) == 2
    assert all([await is_active(bff, token) for token in tokens])


async def test_twenty_issues_at_once_are_one_session(service: Service, bff: Caller) -> None:
    """A key that arrives many times at the same moment still makes one session."""
    issued = await asyncio.gather(*(issue(bff, idempotency_key=KEY) for _ in range(20)))
    assert len({(answer.session_id, answer.refresh_token) for answer in issued}) == 1
    assert len(rows_of(service, "sessions")) == 1


async def test_a_repeated_issue_does_not_prolong_the_session(service: Service, bff: Caller) -> None:
    """The session of a key ends when the first Issue said."""
    await issue(bff, idempotency_key=KEY, refresh_ttl={"seconds": 100})
    service.clock.advance(seconds=60)
    assert (await issue(bff, idempotency_key=KEY, refresh_ttl={"seconds": 100})).refresh_expires_in == 40


async def test_another_origin_is_still_the_same_request(bff: Caller) -> None:
    """A retry may come from another address: the key's session is answered."""
    first = await issue(bff, idempotency_key=KEY, context={"ip": "192.0.2.1"})
    second = await issue(bff, idempotency_key=KEY, context={"ip": "198.51.100.7"})
    assert first.refresh_token == second.refresh_token


@pytest.mark.parametrize(
    "other",
    [
        {"subject": "bob"},
        {"client_id": "app"},
        {"scopes": ["read"]},
        {"audiences": ["api"]},
        {"device": {"id": "phone-2"}},
        {"access_ttl": {"seconds": 60}},
        {"refresh_ttl": {"seconds": 60}},
        {"refresh_ttl": {"seconds": 40 * 86_400}},
        {"auth_time": {"seconds": 1_799_999_999}},
        {"acr": "other"},
        {"amr": ["pwd"]},
        {"claims": {"tenant": "t2"}},
        {"credential_version": "v2"},
    ],
    ids=str,
)
async def test_another_request_under_a_used_key_is_refused(
    service: Service, bff: Caller, other: dict[str, Any]
) -> None:
    """A key that was used for another request is refused with the field named, and nothing is written."""
    await service.public_client("app")
    await issue(bff, idempotency_key=KEY)
    before = tables_of(service)
    refused = await failure(issue(bff, idempotency_key=KEY, **other))
    assert _of_key(refused)
    assert tables_of(service) == before


@pytest.mark.parametrize(
    "policy",
    [
        {"access_ttl": 120_000},
        {"access_ttl": HOUR},
        {"refresh_idle_ttl": DAY},
        {"refresh_absolute_ttl": DAY},
        {"scopes": ("read", "write", "more")},
    ],
    ids=str,
)
async def test_an_operators_change_does_not_fail_a_retry(service: Service, bff: Caller, policy: dict[str, Any]) -> None:
    """The same request gets the same session though the policy makes something else of it by now."""
    first = await issue(bff, idempotency_key=KEY)
    await change_policy(service, "bff", **policy)
    second = await issue(bff, idempotency_key=KEY)
    assert (first.session_id, first.refresh_token) == (second.session_id, second.refresh_token)
    assert second.scopes == ["read", "write"]
    assert second.expires_in == min(300, policy.get("access_ttl", HOUR) // 1000)


async def test_a_retry_brings_back_no_scope_that_was_taken_away(service: Service, bff: Caller) -> None:
    """The session of the key has more than a login would be given now."""
    await issue(bff, idempotency_key=KEY)
    await change_policy(service, "bff", scopes=("read",))
    assert _of_key(await failure(issue(bff, idempotency_key=KEY)))


async def test_a_key_belongs_to_its_caller(service: Service, bff: Caller) -> None:
    """Two callers with the same key have two sessions."""
    other = await service.caller("other")
    first = await issue(bff, client_id="bff", idempotency_key=KEY)
    second = await issue(other, client_id="bff", idempotency_key=KEY)
    assert first.session_id != second.session_id


async def test_a_key_whose_session_was_refreshed_is_used_up(bff: Caller) -> None:
    """After a refresh the key cannot bring back the first refresh token."""
    issued = await issue(bff, idempotency_key=KEY)
    await refresh(bff, issued.refresh_token)
    assert _of_key(await failure(issue(bff, idempotency_key=KEY)))


@pytest.mark.parametrize("target", ["session_id", "subject"])
async def test_a_key_does_not_revive_a_revoked_session(bff: Caller, target: str) -> None:
    """After a revocation of the session or its subject the key gives no tokens."""
    issued = await issue(bff, idempotency_key=KEY)
    await revoke(bff, **{target: issued.session_id if target == "session_id" else "ada"})
    assert _of_key(await failure(issue(bff, idempotency_key=KEY)))


async def test_a_key_does_not_revive_an_expired_session(service: Service, bff: Caller) -> None:
    """When the session of a key is over, the key gives no tokens."""
    await issue(bff, idempotency_key=KEY, refresh_ttl={"seconds": 10})
    service.clock.advance(seconds=10)
    assert _of_key(await failure(issue(bff, idempotency_key=KEY, refresh_ttl={"seconds": 10})))


async def test_without_a_key_every_issue_is_a_session(bff: Caller) -> None:
    """The same request twice without a key is two sessions."""
    assert (await issue(bff)).session_id != (await issue(bff)).session_id


@pytest.mark.parametrize(("length", "accepted"), [(15, False), (16, True), (255, True), (256, False)])
async def test_a_key_has_16_to_255_characters(bff: Caller, length: int, *, accepted: bool) -> None:
    """A key that is too short to be unique, or too long, is refused with the field named."""
    call = issue(bff, idempotency_key="k" * length)
    if accepted:
        assert (await call).session_id
    else:
        assert _of_key(await failure(call))
