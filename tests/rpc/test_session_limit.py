"""max_sessions: how many sessions a subject may have with a client, and what gives way to one more."""

import asyncio

import pytest

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import change_policy, is_active, issue, refresh, revoke, session_of
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.policy import HOUR, SessionLimitAction

KEY = "one-login-of-many"


@pytest.fixture
async def app(service: Service) -> Caller:
    """A client with two sessions for everybody."""
    return await service.caller("app", policy=policy_of(max_sessions=2, refresh_idle_ttl=HOUR))


async def _three(service: Service, app: Caller) -> list[str]:
    """Begin three sessions, a second apart; answer their refresh tokens."""
    tokens = []
    for _ in range(3):
        tokens.append((await issue(app)).refresh_token)
        service.clock.advance(seconds=1)
    return tokens


async def _alive(app: Caller, tokens: list[str]) -> list[bool]:
    return [await is_active(app, token) for token in tokens]


async def test_the_oldest_session_gives_way(service: Service, app: Caller) -> None:
    """The session that began first ends with its access tokens, and says why."""
    first = await issue(app)
    service.clock.advance(seconds=1)
    rest = await _three(service, app)
    assert await _alive(app, [first.access_token, first.refresh_token, *rest]) == [False, False, False, True, True]
    assert (await session_of(app, first.session_id)).revoke_reason == "tokensvc: too many sessions"


async def test_what_gave_way_is_audited(service: Service, app: Caller) -> None:
    """The event names the session that ended and the one that it ended for."""
    first = await issue(app)
    service.clock.advance(seconds=1)
    await issue(app)
    last = await issue(app)
    event = rows_of(service, "audit_events")[-1]
    assert (event["type"], event["session_id"]) == ("session.limit_ended", first.session_id)
    assert last.session_id in event["details"]


async def test_a_policy_may_refuse_instead(service: Service, app: Caller) -> None:
    """Issue fails, nothing is written, and what lives goes on living."""
    await change_policy(service, "app", session_limit_action=SessionLimitAction.REFUSE)
    tokens = [(await issue(app)).refresh_token for _ in range(2)]
    before = tables_of(service)
    refused = await failure(issue(app))
    assert (refused.code.name, refused.reason) == ("FAILED_PRECONDITION", "SESSION_LIMIT_REACHED")
    assert tables_of(service) == before
    assert await _alive(app, tokens) == [True, True]


async def test_only_living_sessions_count(service: Service, app: Caller) -> None:
    """Revoked, expired and barred sessions make room; those of other subjects and clients take none."""
    await change_policy(service, "app", session_limit_action=SessionLimitAction.REFUSE)
    other = await service.caller("other")
    for caller, subject in ((app, "bob"), (app, "bob"), (other, "ada"), (other, "ada")):
        await issue(caller, subject)
    await issue(app)
    await revoke(app, session_id=(await issue(app)).session_id)
    await issue(app)
    await revoke(other, subject="ada")
    await issue(app)
    await issue(app)
    service.clock.advance(hours=1)
    await issue(app)
    await issue(app)
    assert (await failure(issue(app))).reason == "SESSION_LIMIT_REACHED"


async def test_a_refresh_does_not_make_a_session_younger(service: Service, app: Caller) -> None:
    """The order is that of the logins."""
    first = (await issue(app)).refresh_token
    service.clock.advance(seconds=1)
    second = (await issue(app)).refresh_token
    first = (await refresh(app, first)).refresh_token
    await issue(app)
    assert await _alive(app, [first, second]) == [False, True]


async def test_a_repeated_issue_ends_nothing(service: Service, app: Caller) -> None:
    """The session of an idempotency key counts once, however often it is asked for."""
    first = (await issue(app)).refresh_token
    for _ in range(3):
        await issue(app, idempotency_key=KEY)
    assert await is_active(app, first)


async def test_an_access_token_alone_is_no_session(service: Service, app: Caller) -> None:
    """access_only neither counts nor ends anything."""
    tokens = [(await issue(app)).refresh_token for _ in range(2)]
    await issue(app, access_only=True)
    assert await _alive(app, tokens) == [True, True]


async def test_logins_at_once_do_not_exceed_the_limit(app: Caller) -> None:
    """Of twenty logins in one moment two sessions live."""
    issued = await asyncio.gather(*(issue(app) for _ in range(20)))
    assert sum(await _alive(app, [one.refresh_token for one in issued])) == 2


async def test_a_lower_limit_holds_at_the_next_login(service: Service, app: Caller) -> None:
    """Nobody is logged out by a change of the policy; the next login ends as many as it must."""
    await change_policy(service, "app", max_sessions=5)
    tokens = await _three(service, app)
    await change_policy(service, "app", max_sessions=1)
    assert await _alive(app, tokens) == [True, True, True]
    await issue(app)
    assert await _alive(app, tokens) == [False, False, False]
