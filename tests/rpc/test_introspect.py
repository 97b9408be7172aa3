"""What Introspect says of an active token, and to whom."""

from typing import Any

import pytest
from tokensvc_pb.v1 import token_pb2

from tests.harness import ISSUER, Caller, Service
from tests.rpc.steps import introspect, is_active, issue, refresh, revoke
from tests.rpc.tables import tables_of
from tokensvc.domain.client import Permission

READER = {"permissions": frozenset({Permission.INTROSPECT}), "acts_for": frozenset()}


async def test_an_access_token_is_described(service: Service, bff: Caller) -> None:
    """Of an active access token Introspect says what RFC 7662 names."""
    issued = await issue(bff, device={"id": "phone"})
    seen = await introspect(bff, issued.access_token)
    assert (seen.active, seen.token_use, seen.token_type) == (True, token_pb2.TOKEN_USE_ACCESS, "Bearer")
    assert (seen.subject, seen.client_id, seen.issuer) == ("ada", "bff", ISSUER)
    assert (seen.scopes, seen.audiences) == (["read", "write"], ["api", "billing"])
    assert (seen.session_id, seen.device_id) == (issued.session_id, "phone")
    assert seen.issued_at.ToMilliseconds() == service.clock()
    assert seen.expires_at.ToMilliseconds() == service.clock() + 300_000
    assert len(seen.token_id) >= 16
    assert seen.revision == (await service.store.view()).revision


async def test_a_refresh_token_is_described(service: Service, bff: Caller) -> None:
    """Of the current refresh token Introspect says whose it is and when it ends unless it is used."""
    issued = await issue(bff)
    service.clock.advance(seconds=60)
    refreshed = await refresh(bff, issued.refresh_token)
    seen = await introspect(bff, refreshed.refresh_token)
    assert (seen.active, seen.token_use, seen.token_type) == (True, token_pb2.TOKEN_USE_REFRESH, "")
    assert (seen.subject, seen.client_id, seen.session_id) == ("ada", "bff", issued.session_id)
    assert seen.issuer == ISSUER
    assert seen.issued_at.ToMilliseconds() == service.clock()
    assert seen.expires_at.ToMilliseconds() == service.clock() + 30 * 86_400_000


async def test_a_consumed_refresh_token_is_inactive(bff: Caller) -> None:
    """A refresh token that has a successor is not active, even while a retry would still be answered."""
    issued = await issue(bff)
    await refresh(bff, issued.refresh_token)
    assert not await is_active(bff, issued.refresh_token)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_hint_changes_nothing(bff: Caller, kind: str, hint: str) -> None:
    """A wrong hint does not make a token inactive."""
    token = getattr(await issue(bff), kind)
    assert await introspect(bff, token, token_type_hint=hint) == await introspect(bff, token)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize(
    ("wish", "active"),
    [
        ({"required_scopes": ["read"]}, True),
        ({"required_scopes": ["write", "read"]}, True),
        ({"required_scopes": ["read", "admin"]}, False),
        ({"required_scopes": ["rea"]}, False),
        ({"audience": "api"}, True),
        ({"audience": "billing"}, True),
        ({"audience": "elsewhere"}, False),
        ({"audience": "api", "required_scopes": ["write"]}, True),
        ({"audience": "elsewhere", "required_scopes": ["write"]}, False),
    ],
    ids=str,
)
async def test_a_token_is_active_only_for_what_it_is_good_for(
    bff: Caller, kind: str, wish: dict[str, Any], *, active: bool
) -> None:
    """A token that lacks a required scope or the audience is inactive, and says nothing else."""
    seen = await introspect(bff, getattr(await issue(bff), kind), **wish)
    assert seen.active is active
    assert (seen.ByteSize() == 0) is not active


@pytest.mark.parametrize(
    ("fields", "active"),
    [
        ({"audiences": frozenset({"api"})}, True),
        ({"audiences": frozenset({"billing", "mail"})}, True),
        ({"audiences": frozenset({"mail"})}, False),
        ({"audiences": frozenset()}, False),
        ({"audiences": frozenset({"mail"}), "acts_for": frozenset({"bff"})}, True),
        ({"audiences": frozenset(), "acts_for": frozenset({"other"})}, False),
    ],
    ids=str,
)
async def test_an_access_token_is_active_for_its_audience_and_its_client(
    service: Service, bff: Caller, fields: dict[str, Any], *, active: bool
) -> None:
    """A caller that is neither of the token's audience nor may act for its client gets inactive."""
    reader = await service.caller("reader", **{**READER, **fields})
    seen = await introspect(reader, (await issue(bff)).access_token)
    assert seen.active is active
    assert (seen.ByteSize() == 0) is not active


async def test_a_narrow_token_is_active_for_its_own_audience_alone(service: Service, bff: Caller) -> None:
    """A token that was issued for one audience is inactive for the callers of another."""
    api = await service.caller("api", **READER)
    billing = await service.caller("billing", audiences=frozenset({"billing"}), **READER)
    token = (await issue(bff, audiences=["billing"])).access_token
    assert await is_active(billing, token)
    assert not await is_active(api, token)


async def test_a_refresh_token_is_active_only_for_who_may_act_for_its_client(service: Service, bff: Caller) -> None:
    """Being of the audience is not enough to learn anything of a refresh token."""
    reader = await service.caller("reader", **READER)
    relay = await service.caller("relay", **{**READER, "acts_for": frozenset({"bff"})})
    token = (await issue(bff)).refresh_token
    assert (await introspect(reader, token)).ByteSize() == 0
    assert await is_active(relay, token)


async def test_introspect_writes_nothing(service: Service, bff: Caller) -> None:
    """After introspections of every kind, active and not, every table is as it was."""
    issued = await issue(bff)
    refreshed = await refresh(bff, issued.refresh_token)
    ended = await issue(bff)
    await revoke(bff, token=ended.access_token)
    before = tables_of(service)
    for token in (issued.access_token, issued.refresh_token, refreshed.refresh_token, ended.access_token, "nonsense"):
        await introspect(bff, token)
    assert tables_of(service) == before


async def test_a_remembered_token_does_not_outlive_its_expiry(service: Service, bff: Caller) -> None:
    """A token that was introspected active a moment ago is inactive when its time is over."""
    issued = await issue(bff)
    service.clock.advance(seconds=299.999)
    assert await is_active(bff, issued.access_token)
    service.clock.advance(seconds=0.001)
    assert not await is_active(bff, issued.access_token)


async def test_one_answer_does_not_leak_into_another(bff: Caller) -> None:
    """The same token introspected again and again, before and after the log has grown, is told only a new revision."""
    issued = await issue(bff)
    first = await introspect(bff, issued.access_token)
    revision = await revoke(bff, subject="bob")
    second = await introspect(bff, issued.access_token)
    assert second.revision == revision > first.revision
    second.revision = first.revision
    assert first == second
