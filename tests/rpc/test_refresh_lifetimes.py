"""When a session ends by itself."""

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import change_policy, introspect, is_active, issue, refresh
from tests.rpc.tables import tables_of
from tokensvc.domain.policy import DAY, HOUR


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


async def test_a_session_keeps_the_lifetimes_of_its_issue(service: Service) -> None:
    """A policy that turns longer or shorter later is for new sessions."""
    caller = await service.caller("caller", policy=policy_of(refresh_idle_ttl=HOUR, refresh_absolute_ttl=DAY))
    issued = await issue(caller)
    await change_policy(service, "caller", refresh_idle_ttl=DAY, refresh_absolute_ttl=90 * DAY)
    assert (await refresh(caller, issued.refresh_token)).refresh_expires_in == 3600
    assert (await issue(caller)).refresh_expires_in == 86_400
