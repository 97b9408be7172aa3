"""Ending one token or one session."""

import pytest

from tests.harness import Caller, Service, failure
from tests.rpc.faults import second_node, through
from tests.rpc.steps import is_active, issue, refresh, revoke, session_of
from tests.rpc.tables import rows_of, tables_of


async def test_an_access_token_is_ended_alone(bff: Caller) -> None:
    """Revoking an access token leaves its session and the session's other access tokens alive."""
    issued = await issue(bff)
    refreshed = await refresh(bff, issued.refresh_token)
    await revoke(bff, token=issued.access_token)
    assert not await is_active(bff, issued.access_token)
    assert await is_active(bff, refreshed.access_token)
    assert (await refresh(bff, refreshed.refresh_token)).refresh_token


async def test_a_refresh_token_takes_its_session_along(bff: Caller) -> None:
    """Revoking the current refresh token ends every access and refresh token of the session."""
    issued = await issue(bff)
    refreshed = await refresh(bff, issued.refresh_token)
    await revoke(bff, token=refreshed.refresh_token)
    for token in (issued.access_token, refreshed.access_token, refreshed.refresh_token):
        assert not await is_active(bff, token)
    assert (await failure(refresh(bff, refreshed.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"


async def test_an_old_refresh_token_ends_the_family(bff: Caller) -> None:
    """Revoking through a consumed refresh token ends the session that has moved on since."""
    first = await issue(bff)
    second = await refresh(bff, first.refresh_token)
    third = await refresh(bff, second.refresh_token)
    await revoke(bff, token=first.refresh_token)
    assert not await is_active(bff, third.access_token)
    assert (await failure(refresh(bff, third.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"


async def test_a_session_is_ended_by_its_name(bff: Caller) -> None:
    """Revoking a session_id ends the session's access and refresh tokens."""
    issued = await issue(bff)
    await revoke(bff, session_id=issued.session_id)
    assert not await is_active(bff, issued.access_token)
    assert not await is_active(bff, issued.refresh_token)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"


async def test_the_subjects_other_sessions_survive(bff: Caller) -> None:
    """Losing one session, a subject keeps the others."""
    lost, kept = await issue(bff), await issue(bff)
    await revoke(bff, session_id=lost.session_id)
    assert await is_active(bff, kept.access_token)
    assert (await refresh(bff, kept.refresh_token)).refresh_token


async def test_a_retry_is_no_way_around_a_revocation(bff: Caller) -> None:
    """Within the retry window, too, the token of a revoked session is refused."""
    issued = await issue(bff)
    await refresh(bff, issued.refresh_token)
    await revoke(bff, session_id=issued.session_id)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"


async def test_an_access_only_token_can_be_ended(bff: Caller) -> None:
    """A token without a session is revoked by itself, and another one of the subject lives."""
    first, second = await issue(bff, access_only=True), await issue(bff, access_only=True)
    await revoke(bff, token=first.access_token)
    assert not await is_active(bff, first.access_token)
    assert await is_active(bff, second.access_token)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", ""])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_wrong_hint_still_revokes(bff: Caller, kind: str, hint: str) -> None:
    """Whatever the hint says, the token that was presented is revoked (RFC 7009, 2.1)."""
    token = getattr(await issue(bff), kind)
    await revoke(bff, token=token, token_type_hint=hint)
    assert not await is_active(bff, token)


@pytest.mark.parametrize(
    "target",
    [
        {"token": "nonsense"},
        {"token": "tsr1_nonsense"},
        {"token": "a.b.c"},
        {"token": "x" * 100_000},
        {"session_id": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=lambda target: str(target)[:40],
)
async def test_what_is_unknown_is_revoked_with_success(service: Service, bff: Caller, target: dict[str, str]) -> None:
    """Revoking what does not exist succeeds with the log's present revision and writes nothing (RFC 7009, 2.2)."""
    before = tables_of(service)
    assert await revoke(bff, **target) == (await service.store.view()).revision
    assert tables_of(service) == before


async def test_what_has_expired_is_revoked_with_success(service: Service, bff: Caller) -> None:
    """Revoking an expired access token succeeds and writes nothing."""
    issued = await issue(bff)
    service.clock.advance(seconds=300)
    before = tables_of(service)
    assert await revoke(bff, token=issued.access_token) > 0
    assert tables_of(service) == before


async def test_revoking_twice_succeeds_and_keeps_the_first_reason(service: Service, bff: Caller) -> None:
    """The second revocation of a session answers success, changes nothing, and its revision holds the first."""
    issued = await issue(bff)
    first = await revoke(bff, session_id=issued.session_id, reason="logout")
    before = tables_of(service)
    assert await revoke(bff, token=issued.refresh_token, reason="other") >= first
    assert tables_of(service) == before
    assert (await session_of(bff, issued.session_id)).revoke_reason == "logout"


@pytest.mark.parametrize("first", ["access_token", "session"])
async def test_an_access_token_that_has_ended_is_not_ended_again(service: Service, bff: Caller, first: str) -> None:
    """Revoking an access token whose end the log holds already succeeds and lets the log grow no further."""
    issued = await issue(bff)
    target = {"token": issued.access_token} if first == "access_token" else {"session_id": issued.session_id}
    revision = await revoke(bff, **target)
    before = tables_of(service)
    assert await revoke(bff, token=issued.access_token) == revision
    assert tables_of(service) == before


async def test_the_reason_is_recorded(service: Service, bff: Caller) -> None:
    """Who revoked what, when and why stands in the session, the log and the audit trail."""
    issued = await issue(bff)
    service.clock.advance(seconds=5)
    revision = await revoke(bff, session_id=issued.session_id, reason="phone lost")
    session = await session_of(bff, issued.session_id)
    assert (session.revoke_reason, session.revoked_at.ToMilliseconds()) == ("phone lost", service.clock())
    entry = rows_of(service, "revocation_log")[-1]
    assert (entry["revision"], entry["key"], entry["reason"]) == (revision, issued.session_id, "phone lost")
    event = rows_of(service, "audit_events")[-1]
    assert (event["type"], event["caller"], event["reason"]) == ("session.revoked", "bff", "phone lost")


@pytest.mark.parametrize("target", ["access_token", "refresh_token", "session_id"])
async def test_another_clients_token_is_not_revoked_and_nothing_is_said(
    service: Service, bff: Caller, target: str
) -> None:
    """For a caller that may not act for its client a living token is answered as an unknown one, and lives on."""
    stranger = await service.caller("stranger", acts_for=frozenset())
    issued = await issue(bff)
    before = tables_of(service)
    name = "session_id" if target == "session_id" else "token"
    answered = await revoke(stranger, **{name: getattr(issued, target)})
    assert answered == await revoke(stranger, **{name: "nonsense"})
    assert tables_of(service) == before
    assert await is_active(bff, issued.access_token)


async def test_every_node_knows_a_revocation_at_once(service: Service, bff: Caller) -> None:
    """The next introspection on another node sees the token as revoked, though it has seen it alive before."""
    async with second_node(service) as channel:
        there = through(bff, channel)
        issued = await issue(bff)
        assert await is_active(there, issued.access_token)
        await revoke(bff, token=issued.access_token)
        assert not await is_active(there, issued.access_token)
        await revoke(there, session_id=issued.session_id)
        assert not await is_active(bff, issued.refresh_token)


async def test_callers_cannot_give_the_reasons_of_the_service(bff: Caller) -> None:
    """A reason that begins as the service's own do is refused, so that no caller can make a session look stolen."""
    issued = await issue(bff)
    refused = await failure(revoke(bff, session_id=issued.session_id, reason="tokensvc: refresh token reused"))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("reason",))
