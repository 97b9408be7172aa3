"""Rotation and binding policies over the wire: what a phone behind a BFF gets, and what is kept of it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import change_policy, introspect, is_active, issue, refresh, session_of
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.policy import HOUR, BindingAction, BindingPolicy, Rotation
from tokensvc.services.clients import OPERATOR

HOME = {"ip": "192.0.2.7", "user_agent": "App/3.1 (Android 15)", "location": "Lyon, FR"}
AWAY = {"ip": "198.51.100.7", "user_agent": "App/3.1 (Android 15)", "location": "Oslo, NO"}


async def _caller(service: Service, **policy: Any) -> Caller:
    return await service.caller("app", policy=policy_of(**policy))


async def test_periodic_rotation_keeps_the_token_for_an_interval(service: Service) -> None:
    """Within the interval the same refresh token comes back with a fresh access token; after it, the next one."""
    app = await _caller(service, rotation=Rotation.PERIODIC, rotation_interval=HOUR)
    issued = await issue(app)
    service.clock.advance(minutes=59)
    kept = await refresh(app, issued.refresh_token)
    assert kept.refresh_token == issued.refresh_token
    assert kept.access_token != issued.access_token
    service.clock.advance(minutes=1)
    rotated = await refresh(app, kept.refresh_token)
    assert rotated.refresh_token != issued.refresh_token
    service.clock.advance(minutes=1)
    assert (await failure(refresh(app, issued.refresh_token))).reason == "REFRESH_TOKEN_REUSED"
    assert not await is_active(app, rotated.access_token)


async def test_a_kept_token_prolongs_the_idle_lifetime(service: Service) -> None:
    """A refresh without a rotation is a use: the session lives for another idle lifetime."""
    app = await _caller(service, rotation=Rotation.PERIODIC, rotation_interval=HOUR * 24 * 90, refresh_idle_ttl=HOUR)
    token = (await issue(app)).refresh_token
    for _ in range(3):
        service.clock.advance(minutes=50)
        assert (await refresh(app, token)).refresh_expires_in == 3600
    service.clock.advance(minutes=60)
    assert (await failure(refresh(app, token))).reason == "REFRESH_TOKEN_EXPIRED"


async def test_selective_rotation_rotates_when_the_phone_moves(service: Service) -> None:
    """At home the token stays, elsewhere it is replaced once."""
    app = await _caller(service, rotation=Rotation.SELECTIVE)
    token = (await issue(app, context=HOME)).refresh_token
    assert (await refresh(app, token, context=HOME)).refresh_token == token
    moved = await refresh(app, token, context=AWAY)
    assert moved.refresh_token != token
    assert (await refresh(app, moved.refresh_token, context=AWAY)).refresh_token == moved.refresh_token


async def test_a_kept_token_at_two_places_raises_suspicion(service: Service) -> None:
    """Phone and thief share a token that rotates once a day: as soon as they use it at once, the trail says so."""
    app = await _caller(service, rotation=Rotation.PERIODIC, rotation_interval=HOUR * 24)
    issued = await issue(app, context=HOME)
    for context in (HOME, AWAY, HOME):
        service.clock.advance(minutes=5)
        await refresh(app, issued.refresh_token, context=context)
    assert "suspicion.parallel_refresh" not in [row["type"] for row in rows_of(service, "audit_events")]
    service.clock.advance(seconds=1)
    await refresh(app, issued.refresh_token, context=AWAY)
    types = [row["type"] for row in rows_of(service, "audit_events")]
    assert types[-2:] == ["session.refreshed", "suspicion.parallel_refresh"]


async def test_a_device_is_bound_only_where_the_login_named_one(service: Service) -> None:
    """To insist on the device later ends no session that began without one."""
    app = await _caller(service)
    issued = await issue(app)
    named = await issue(app, device={"id": "phone"})
    await change_policy(service, "app", binding=BindingPolicy(device=BindingAction.END_SESSION))
    await refresh(app, (await refresh(app, issued.refresh_token, device_id="phone")).refresh_token)
    assert (await failure(refresh(app, named.refresh_token))).reason == "BINDING_MISMATCH"


async def test_always_answers_no_retry(service: Service) -> None:
    """Without a retry window a token that is presented twice ends the family."""
    app = await _caller(service, rotation=Rotation.ALWAYS)
    issued = await issue(app)
    rotated = await refresh(app, issued.refresh_token)
    assert (await failure(refresh(app, issued.refresh_token))).reason == "REFRESH_TOKEN_REUSED"
    assert not await is_active(app, rotated.access_token)


async def test_a_kept_token_is_active_and_a_consumed_one_is_not(service: Service) -> None:
    """Introspect says of refresh tokens what Refresh would."""
    app = await _caller(service, rotation=Rotation.SELECTIVE)
    token = (await issue(app, context=HOME)).refresh_token
    await refresh(app, token, context=HOME)
    assert await is_active(app, token)
    moved = await refresh(app, token, context=AWAY)
    assert not await is_active(app, token)
    assert await is_active(app, moved.refresh_token)


async def test_a_changed_policy_holds_for_living_sessions(service: Service) -> None:
    """The next refresh is decided by the client's policy of that moment."""
    app = await _caller(service, rotation=Rotation.PERIODIC, rotation_interval=HOUR)
    token = (await issue(app)).refresh_token
    assert (await refresh(app, token)).refresh_token == token
    await change_policy(service, "app", rotation=Rotation.GRACEFUL)
    assert (await refresh(app, token)).refresh_token != token


@pytest.mark.parametrize("name", ["ip", "user_agent"])
async def test_a_session_bound_to_its_place_is_refused_elsewhere(service: Service, name: str) -> None:
    """The refusal writes nothing to the session, which goes on living at home."""
    app = await _caller(service, binding=replace(BindingPolicy(), **{name: BindingAction.REJECT}))
    issued = await issue(app, context=HOME)
    before = tables_of(service)["sessions"]
    refused = await failure(refresh(app, issued.refresh_token, context=HOME | {name: _ELSEWHERE[name]}))
    assert refused.reason == "BINDING_MISMATCH"
    assert tables_of(service)["sessions"] == before
    assert (await refresh(app, issued.refresh_token, context=HOME)).refresh_token != issued.refresh_token


async def test_the_trail_says_what_a_refused_refresh_differed_in(service: Service) -> None:
    """Everything that the policy does not ignore; what differs otherwise is another event."""
    app = await _caller(service, binding=BindingPolicy(device=BindingAction.AUDIT, ip=BindingAction.REJECT))
    token = (await issue(app, device={"id": "phone"}, context=HOME)).refresh_token
    for device_id in ("phone", "other", "phone"):
        assert (await failure(refresh(app, token, device_id=device_id, context=AWAY))).reason == "BINDING_MISMATCH"
    await service.server._refusals.flush()
    events = [json.loads(row["details"]) for row in rows_of(service, "audit_events") if row["type"] == "refused"]
    assert {event["differs"]: event["count"] for event in events} == {"ip": 2, "device ip": 1}


async def test_a_change_of_the_policy_revives_no_consumed_token(service: Service) -> None:
    """What was consumed stays so, whatever policies come after; what could be retried all the time still can."""
    app = await _caller(service, retry_window=HOUR)
    consumed = (await issue(app)).refresh_token
    await refresh(app, consumed)
    service.clock.advance(minutes=1)
    await service.clients.update("app", {"token_policy.rotation": Rotation.ALWAYS}, caller=OPERATOR)
    service.clock.advance(minutes=1)
    await service.clients.update("app", {"token_policy.rotation": Rotation.GRACEFUL}, caller=OPERATOR)
    later = (await issue(app)).refresh_token
    successor = (await refresh(app, later)).refresh_token
    await service.clients.update("app", {"name": "Shop", "token_policy.retry_window": HOUR // 2}, caller=OPERATOR)
    service.clock.advance(minutes=20)
    await service.clients.update("app", {"token_policy.retry_window": HOUR}, caller=OPERATOR)
    assert (await refresh(app, later)).refresh_token == successor
    assert (await failure(refresh(app, consumed))).reason == "REFRESH_TOKEN_REUSED"


_ELSEWHERE = {"ip": "198.51.100.7", "user_agent": "Browser/1"}


async def test_a_binding_may_end_the_session(service: Service) -> None:
    """Under such a policy a refresh from elsewhere ends the session with its access tokens."""
    app = await _caller(service, binding=BindingPolicy(ip=BindingAction.END_SESSION))
    issued = await issue(app, context=HOME)
    assert (await failure(refresh(app, issued.refresh_token, context=AWAY))).reason == "BINDING_MISMATCH"
    assert not await is_active(app, issued.access_token)
    assert (await failure(refresh(app, issued.refresh_token, context=HOME))).reason == "REFRESH_TOKEN_REVOKED"
    assert (await session_of(app, issued.session_id)).revoke_reason == "tokensvc: binding differs"


async def test_a_binding_may_only_be_noted(service: Service) -> None:
    """The refresh succeeds, and the audit trail says what differed."""
    app = await _caller(service, binding=BindingPolicy(user_agent=BindingAction.AUDIT))
    issued = await issue(app, context=HOME)
    await refresh(app, issued.refresh_token, context=HOME | {"user_agent": "Browser/1"})
    event = rows_of(service, "audit_events")[-1]
    assert event["type"] == "session.binding_differed"
    assert '"differs":"user_agent"' in event["details"]


async def test_sessions_hold_no_address_and_no_user_agent(service: Service) -> None:
    """What a session is compared with are keyed hashes; the rows hold neither value, nor does the log."""
    app = await _caller(service, rotation=Rotation.SELECTIVE, binding=BindingPolicy(ip=BindingAction.AUDIT))
    issued = await issue(app, context=HOME)
    await refresh(app, issued.refresh_token, context=AWAY)
    tables = tables_of(service)
    kept = repr({name: rows for name, rows in tables.items() if name != "audit_events"})
    for value in ("192.0.2", "198.51.100", "App/3.1", "Android"):
        assert value not in kept
    assert "App/3.1" not in repr(tables)


async def test_a_person_sees_where_a_session_was_used_last(service: Service) -> None:
    """The place is as the caller gave it, at the login and at the last refresh that named one."""
    app = await _caller(service)
    issued = await issue(app, context=HOME)
    second = await refresh(app, issued.refresh_token, context=AWAY)
    await refresh(app, second.refresh_token)
    shown = await session_of(app, issued.session_id)
    assert (shown.context.location, shown.last_context.location) == ("Lyon, FR", "Oslo, NO")


async def test_credentials_may_be_ignored(service: Service) -> None:
    """A client that does not care for the credential version is not refused for it."""
    app = await _caller(service, binding=BindingPolicy(credential_version=BindingAction.IGNORE))
    issued = await issue(app, credential_version="v1")
    refreshed = await refresh(app, issued.refresh_token, credential_version="v2")
    assert (await introspect(app, refreshed.access_token)).active
