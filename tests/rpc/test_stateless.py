"""Stateless refresh tokens over the wire: no session row, everything else as ever but for reuse."""

import pytest
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_pb2

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import change_policy, introspect, is_active, issue, refresh, revoke
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.policy import DAY, HOUR, BindingAction, BindingPolicy, RefreshTokenFormat
from tokensvc.services.clients import OPERATOR

STATELESS = RefreshTokenFormat.STATELESS_JWT


@pytest.fixture
async def app(service: Service) -> Caller:
    """A client without sessions in the database."""
    policy = policy_of(refresh_token_format=STATELESS, refresh_idle_ttl=HOUR, refresh_absolute_ttl=DAY)
    return await service.caller("app", policy=policy)


async def test_no_row_is_written(service: Service, app: Caller) -> None:
    """Neither Issue nor Refresh writes a session; the audit trail has both."""
    issued = await issue(app)
    await refresh(app, issued.refresh_token)
    assert tables_of(service)["sessions"] == []
    assert [row["type"] for row in rows_of(service, "audit_events")][-2:] == ["session.issued", "session.refreshed"]


async def test_it_is_refreshed_with_all_that_issue_was_told(app: Caller) -> None:
    """Subject, scopes, claims and session go on from token to token."""
    issued = await issue(app, scopes=["read"], claims={"tenant": "t1"}, device={"id": "phone-1"}, acr="gold")
    token = issued.refresh_token
    for _ in range(3):
        refreshed = await refresh(app, token)
        token = refreshed.refresh_token
    shown = await introspect(app, refreshed.access_token)
    assert (shown.active, shown.subject, shown.scopes, shown.acr) == (True, "ada", ["read"], "gold")
    assert (shown.session_id, shown.device_id, shown.claims["tenant"]) == (issued.session_id, "phone-1", "t1")


async def test_an_older_token_goes_on_working(app: Caller) -> None:
    """There is no reuse detection: whoever wants it keeps a row."""
    issued = await issue(app)
    await refresh(app, issued.refresh_token)
    await refresh(app, issued.refresh_token)
    assert await is_active(app, issued.refresh_token)


async def test_its_lifetimes_hold(service: Service, app: Caller) -> None:
    """The idle lifetime counts from the refresh that made the token, the absolute one from Issue."""
    first = (await issue(app)).refresh_token
    service.clock.advance(minutes=50)
    second = (await refresh(app, first)).refresh_token
    service.clock.advance(minutes=20)
    assert (await failure(refresh(app, first))).reason == "REFRESH_TOKEN_EXPIRED"
    token = (await refresh(app, second)).refresh_token
    for _ in range(23):
        service.clock.advance(minutes=59)
        token = (await refresh(app, token)).refresh_token
    service.clock.advance(minutes=59)
    assert (await failure(refresh(app, token))).reason == "REFRESH_TOKEN_EXPIRED"
    assert not await is_active(app, token)


@pytest.mark.parametrize("target", ["subject", "client_id", "device", "token"])
async def test_revocation_ends_it(app: Caller, target: str) -> None:
    """Through its subject, client, device or itself; its access tokens die with it, and other sessions live."""
    issued = await issue(app, device={"id": "phone-1"})
    newer = await refresh(app, issued.refresh_token)
    targets = {
        "subject": "ada",
        "client_id": "app",
        "device": {"subject": "ada", "device_id": "phone-1"},
        "token": issued.refresh_token,
    }
    await revoke(app, **{target: targets[target]})
    for token in (issued.refresh_token, newer.refresh_token):
        assert (await failure(refresh(app, token))).reason == "REFRESH_TOKEN_REVOKED"
        assert not await is_active(app, token)
    assert not await is_active(app, newer.access_token)
    again = await issue(app, device={"id": "phone-2"})
    assert await is_active(app, again.refresh_token)


async def test_a_revocation_outlives_its_access_tokens(service: Service, app: Caller) -> None:
    """Hours later, when the last access token is dead, the refresh token still is."""
    await change_policy(service, "app", refresh_idle_ttl=DAY)
    issued = await issue(app)
    await revoke(app, token=issued.refresh_token)
    service.clock.advance(hours=20)
    await service.store.prune(service.clock(), 1000)
    assert (await failure(refresh(app, issued.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"
    assert not await is_active(app, issued.refresh_token)


async def test_it_is_revoked_once(service: Service, app: Caller) -> None:
    """A second time there is nothing to write."""
    issued = await issue(app)
    await revoke(app, token=issued.refresh_token)
    before = tables_of(service)
    await revoke(app, token=issued.refresh_token)
    assert tables_of(service) == before


async def test_an_idempotency_key_is_refused(service: Service, app: Caller) -> None:
    """Nothing is kept that could tell what the key was used for; for an access token alone it says nothing anyway."""
    before = tables_of(service)
    refused = await failure(issue(app, idempotency_key="one-login-of-many"))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("idempotency_key",))
    assert "stateless_jwt" in refused.message
    assert tables_of(service) == before
    assert (await issue(app, idempotency_key="one-login-of-many", access_only=True)).access_token


async def test_its_id_finds_it_in_the_audit_trail_alone(service: Service, app: Caller) -> None:
    """SessionService does not know it, and Revoke ends nothing by it; the refresh token ends it."""
    issued = await issue(app)
    assert rows_of(service, "audit_events")[-1]["session_id"] == issued.session_id
    call = app.GetSession(sessions_pb.GetSessionRequest(session_id=issued.session_id))
    assert (await failure(call)).reason == "SESSION_NOT_FOUND"
    before = tables_of(service)
    await revoke(app, session_id=issued.session_id)
    assert tables_of(service) == before
    assert await is_active(app, issued.refresh_token)
    await revoke(app, token=issued.refresh_token)
    assert not await is_active(app, issued.access_token)


async def test_a_disabled_client_refreshes_nothing(service: Service, app: Caller) -> None:
    """The client is looked at in every refresh."""
    relay = await service.caller("relay")
    issued = await issue(app)
    await service.clients.set_disabled("app", disabled=True, caller=OPERATOR)
    assert (await failure(refresh(relay, issued.refresh_token))).reason == "CLIENT_DISABLED"
    assert not await is_active(relay, issued.refresh_token)


async def test_bindings_hold(service: Service, app: Caller) -> None:
    """What Issue was told of device and network is in the token, as hashes."""
    await change_policy(
        service, "app", binding=BindingPolicy(ip=BindingAction.REJECT, device=BindingAction.END_SESSION)
    )
    issued = await issue(app, device={"id": "phone-1"}, context={"ip": "192.0.2.7"})
    at_home = {"device_id": "phone-1", "context": {"ip": "192.0.2.8"}}
    refreshed = await refresh(app, issued.refresh_token, **at_home)
    away = await failure(refresh(app, refreshed.refresh_token, **(at_home | {"context": {"ip": "198.51.100.7"}})))
    assert away.reason == "BINDING_MISMATCH"
    other = await failure(refresh(app, refreshed.refresh_token, **(at_home | {"device_id": "phone-2"})))
    assert other.reason == "BINDING_MISMATCH"
    assert (await failure(refresh(app, issued.refresh_token, **at_home))).reason == "REFRESH_TOKEN_REVOKED"


async def test_a_policy_that_allows_less_is_followed(service: Service, app: Caller) -> None:
    """A scope that was taken from the policy is not handed out again."""
    issued = await issue(app, scopes=["read", "write"])
    await change_policy(service, "app", scopes=("read",))
    assert list((await refresh(app, issued.refresh_token)).scopes) == ["read"]


async def test_a_session_stays_what_it_began_as(service: Service, app: Caller) -> None:
    """When a client changes its format, its stateless sessions live on without rows, and its others keep theirs."""
    stateless = (await issue(app)).refresh_token
    await change_policy(service, "app", refresh_token_format=RefreshTokenFormat.OPAQUE)
    stateless = (await refresh(app, stateless)).refresh_token
    assert tables_of(service)["sessions"] == []
    rowed = (await issue(app)).refresh_token
    await change_policy(service, "app", refresh_token_format=STATELESS)
    second = (await refresh(app, rowed)).refresh_token
    await refresh(app, second)
    assert (await failure(refresh(app, rowed))).reason == "REFRESH_TOKEN_REUSED"
    await refresh(app, stateless)


async def test_it_is_introspected_as_a_refresh_token(app: Caller) -> None:
    """And is in no list of sessions."""
    issued = await issue(app)
    shown = await introspect(app, issued.refresh_token)
    assert (shown.active, shown.token_use, shown.session_id) == (True, token_pb2.TOKEN_USE_REFRESH, issued.session_id)
    listed = await app.ListSessions(sessions_pb.ListSessionsRequest(subject="ada"))
    assert not listed.sessions


async def test_a_forged_one_is_refused(app: Caller) -> None:
    """Any changed character."""
    token = (await issue(app)).refresh_token
    header, claims, tag = token.split(".")
    for forged in (f"{header}.{claims[:-4]}AAAA.{tag}", f"{header}.{claims}.{tag[:-4]}AAAA", token + "A"):
        assert (await failure(refresh(app, forged))).reason == "REFRESH_TOKEN_INVALID"
        assert not await is_active(app, forged)
