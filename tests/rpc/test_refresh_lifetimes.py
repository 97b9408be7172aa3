"""When a session ends by itself."""

import pytest

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import change_policy, introspect, is_active, issue, refresh
from tests.rpc.tables import tables_of
from tokensvc.domain.policy import DAY, HOUR, MINUTE, RefreshTokenFormat


async def test_an_unused_session_dies_of_idleness(service: Service, bff: Caller) -> None:
    """A session that is not refreshed within the idle lifetime is over, to the millisecond."""
    issued = await issue(bff)
    service.clock.advance(days=30, seconds=-0.001)
    assert await is_active(bff, issued.refresh_token)
    service.clock.advance(seconds=0.001)
    refused = await failure(refresh(bff, issued.refresh_token))
    assert (refused.code.name, refused.reason) == ("UNAUTHENTICATED", "REFRESH_TOKEN_EXPIRED")
    assert not await is_active(bff, issued.refresh_token)


async def test_every_refresh_starts_the_idle_lifetime_again(service: Service, bff: Caller) -> None:
    """A session that is used in time lives on beyond the idle lifetime of its start."""
    token = (await issue(bff)).refresh_token
    for _ in range(2):
        service.clock.advance(days=29)
        answer = await refresh(bff, token)
        token = answer.refresh_token
    assert answer.refresh_expires_in == 30 * 86_400


async def test_no_refresh_moves_the_absolute_end(service: Service, bff: Caller) -> None:
    """However often it is used, a session ends ninety days after it began."""
    token = (await issue(bff)).refresh_token
    for _ in range(4):
        service.clock.advance(days=22)
        answer = await refresh(bff, token)
        token = answer.refresh_token
    assert answer.refresh_expires_in == 2 * 86_400
    service.clock.advance(days=2)
    assert (await failure(refresh(bff, token))).reason == "REFRESH_TOKEN_EXPIRED"


async def test_the_last_access_token_ends_with_the_session(service: Service, bff: Caller) -> None:
    """A refresh shortly before the absolute end gives an access token that goes no further."""
    issued = await issue(bff, refresh_ttl={"seconds": 400})
    service.clock.advance(seconds=350)
    refreshed = await refresh(bff, issued.refresh_token)
    assert refreshed.expires_in == refreshed.refresh_expires_in == 50
    seen = await introspect(bff, refreshed.access_token)
    assert seen.expires_at.seconds == service.clock() // 1000 + 50


async def test_a_session_that_is_over_is_over_within_the_retry_window(service: Service, bff: Caller) -> None:
    """The retry window opens nothing to an expired session, and the attempt changes nothing."""
    issued = await issue(bff, refresh_ttl={"seconds": 10})
    await refresh(bff, issued.refresh_token)
    service.clock.advance(seconds=10)
    before = tables_of(service)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "REFRESH_TOKEN_EXPIRED"
    assert tables_of(service) == before


async def test_an_expired_token_of_an_old_generation_is_expired(service: Service, bff: Caller) -> None:
    """Expiry is judged before reuse: an old token of a dead session is only expired."""
    issued = await issue(bff)
    await refresh(bff, (await refresh(bff, issued.refresh_token)).refresh_token)
    service.clock.advance(days=91)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "REFRESH_TOKEN_EXPIRED"


async def test_a_policy_that_turns_longer_is_for_new_sessions(service: Service) -> None:
    """A session never lives longer than it was to at its Issue."""
    caller = await service.caller("caller", policy=policy_of(refresh_idle_ttl=HOUR, refresh_absolute_ttl=DAY))
    issued = await issue(caller)
    await change_policy(service, "caller", refresh_idle_ttl=DAY, refresh_absolute_ttl=90 * DAY)
    assert (await refresh(caller, issued.refresh_token)).refresh_expires_in == 3600
    assert (await issue(caller)).refresh_expires_in == 86_400


async def test_a_policy_that_turns_shorter_holds_at_the_next_refresh(service: Service, bff: Caller) -> None:
    """Access tokens, the idle and the absolute lifetime: each as short as the policy now says."""
    issued = await issue(bff)
    await change_policy(service, "bff", access_ttl=MINUTE, refresh_idle_ttl=HOUR, refresh_absolute_ttl=DAY)
    answer = await refresh(bff, issued.refresh_token)
    assert (answer.expires_in, answer.refresh_expires_in) == (60, 3600)
    service.clock.advance(minutes=59)
    token = (await refresh(bff, answer.refresh_token)).refresh_token
    service.clock.advance(minutes=60)
    assert (await failure(refresh(bff, token))).reason == "REFRESH_TOKEN_EXPIRED"


@pytest.mark.parametrize("token_format", list(RefreshTokenFormat))
async def test_a_shorter_absolute_lifetime_counts_from_the_login(
    service: Service, token_format: RefreshTokenFormat
) -> None:
    """A session that began longer ago is over, whatever its tokens look like; one that did not ends in time."""
    app = await service.caller("app", policy=policy_of(refresh_token_format=token_format))
    old = await issue(app)
    service.clock.advance(days=1)
    new = await issue(app)
    service.clock.advance(seconds=-10)
    await change_policy(service, "app", refresh_absolute_ttl=DAY)
    answer = await refresh(app, old.refresh_token)
    assert (answer.expires_in, answer.refresh_expires_in) == (10, 10)
    service.clock.advance(seconds=10)
    for token in (old.refresh_token, answer.refresh_token):
        assert (await failure(refresh(app, token))).reason == "REFRESH_TOKEN_EXPIRED"
    assert (await refresh(app, new.refresh_token)).refresh_expires_in == 86_400


async def test_a_shorter_policy_that_is_taken_back_has_ended_nothing(service: Service, bff: Caller) -> None:
    """It is looked at and not written down: an operator's mistake logs nobody out for good, nor prolongs anything."""
    issued = await issue(bff, refresh_ttl={"seconds": 7200})
    service.clock.advance(hours=1)
    before = tables_of(service)["sessions"]
    await change_policy(service, "bff", refresh_absolute_ttl=MINUTE)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "REFRESH_TOKEN_EXPIRED"
    assert tables_of(service)["sessions"] == before
    await change_policy(service, "bff", refresh_absolute_ttl=90 * DAY)
    assert (await refresh(bff, issued.refresh_token)).refresh_expires_in == 3600


async def test_what_is_revoked_stays_so_for_the_lifetime_before(service: Service, bff: Caller) -> None:
    """An access token of before may outlive the policy of now; its session's end is remembered as long."""
    app = await service.caller("app", policy=policy_of(access_ttl=DAY))
    issued = await issue(app)
    await change_policy(service, "app", access_ttl=MINUTE)
    second = await refresh(app, issued.refresh_token)
    await refresh(app, second.refresh_token)
    assert (await failure(refresh(app, issued.refresh_token))).reason == "REFRESH_TOKEN_REUSED"
    service.clock.advance(hours=20)
    await service.store.prune(service.clock(), 1000)
    assert not await is_active(bff, issued.access_token)
