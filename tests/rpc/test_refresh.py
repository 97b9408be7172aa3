"""What a Refresh that succeeds answers and changes."""

import asyncio

import pytest

from tests.harness import Caller, Service, policy_of
from tests.rpc.steps import introspect, is_active, issue, refresh, sealed, session_of
from tests.rpc.tables import rows_of, tables_of


async def test_a_refresh_answers_the_next_pair(bff: Caller) -> None:
    """Refresh answers a new access token and the next refresh token of the same session, and both are active."""
    issued = await issue(bff)
    refreshed = await refresh(bff, issued.refresh_token)
    assert refreshed.refresh_token != issued.refresh_token
    assert refreshed.session_id == issued.session_id
    assert (refreshed.token_type, refreshed.expires_in, refreshed.refresh_expires_in) == ("Bearer", 300, 30 * 86_400)
    assert await is_active(bff, refreshed.access_token)
    assert await is_active(bff, refreshed.refresh_token)


async def test_the_access_token_before_lives_on(bff: Caller) -> None:
    """A refresh ends the old refresh token and leaves the old access token to its own lifetime."""
    issued = await issue(bff)
    await refresh(bff, issued.refresh_token)
    assert await is_active(bff, issued.access_token)
    assert not await is_active(bff, issued.refresh_token)


async def test_a_retry_gets_the_same_refresh_token(service: Service, bff: Caller) -> None:
    """Within the retry window the same token is answered with the same successor and a fresh access token."""
    issued = await issue(bff)
    first = await refresh(bff, issued.refresh_token)
    service.clock.advance(seconds=29.9)
    second = await refresh(bff, issued.refresh_token)
    assert second.refresh_token == first.refresh_token
    assert second.access_token != first.access_token
    assert await is_active(bff, second.access_token)


async def test_twenty_refreshes_at_once_get_one_successor(service: Service, bff: Caller) -> None:
    """Parallel uses of one token within the retry window all succeed with the identical refresh token."""
    issued = await issue(bff)
    answers = await asyncio.gather(*(refresh(bff, issued.refresh_token) for _ in range(20)))
    assert len({answer.refresh_token for answer in answers}) == 1
    assert [row["generation"] for row in rows_of(service, "sessions")] == [1]


async def test_many_sessions_refreshed_at_once_do_not_mix(bff: Caller) -> None:
    """Refreshes of many sessions in one moment each answer for their own session."""
    issued = await asyncio.gather(*(issue(bff, f"user-{number}") for number in range(30)))
    refreshed = await asyncio.gather(*(refresh(bff, answer.refresh_token) for answer in issued))
    assert [answer.session_id for answer in refreshed] == [answer.session_id for answer in issued]
    seen = [await introspect(bff, answer.access_token) for answer in refreshed]
    assert [answer.subject for answer in seen] == [f"user-{number}" for number in range(30)]


async def test_a_narrower_refresh_narrows_this_access_token_alone(bff: Caller) -> None:
    """Fewer scopes and audiences are given when asked for, and the next refresh has the whole grant again."""
    issued = await issue(bff)
    narrow = await refresh(bff, issued.refresh_token, scopes=["read"], audiences=["api"])
    seen = await introspect(bff, narrow.access_token)
    assert narrow.scopes == seen.scopes == ["read"]
    assert seen.audiences == ["api"]
    whole = await introspect(bff, (await refresh(bff, narrow.refresh_token)).access_token)
    assert (whole.scopes, whole.audiences) == (["read", "write"], ["api", "billing"])


async def test_a_refresh_is_bounded_by_the_grant_not_the_policy(bff: Caller) -> None:
    """A session that was issued with less keeps to it, though the client's policy allows more."""
    issued = await issue(bff, scopes=["read"], audiences=["api"])
    seen = await introspect(bff, (await refresh(bff, issued.refresh_token)).access_token)
    assert (seen.scopes, seen.audiences) == (["read"], ["api"])


async def test_a_refresh_touches_no_other_row(service: Service, bff: Caller) -> None:
    """After a refresh every row but the session's own, and the audit event it adds, is as it was."""
    issued = [await issue(bff, subject) for subject in ("ada", "ada", "bob")]
    before = tables_of(service)
    await refresh(bff, issued[0].refresh_token)
    after = tables_of(service)
    assert {name for name in before if before[name] != after[name]} == {"sessions", "audit_events", "audit_chains"}
    changed = [row for row in after["sessions"] if row not in before["sessions"]]
    assert [issued[0].session_id in row for row in changed] == [True]
    assert len(after["sessions"]) == 3
    assert len(after["audit_events"]) == len(before["audit_events"]) + 1


async def test_the_session_shows_its_use(service: Service, bff: Caller) -> None:
    """A refresh counts the generation and moves last_used_at; a retry does neither."""
    issued = await issue(bff)
    service.clock.advance(seconds=100)
    await refresh(bff, issued.refresh_token)
    rotated = await session_of(bff, issued.session_id)
    assert (rotated.generation, rotated.last_used_at.seconds - rotated.started_at.seconds) == (1, 100)
    service.clock.advance(seconds=10)
    await refresh(bff, issued.refresh_token)
    assert await session_of(bff, issued.session_id) == rotated


async def test_a_token_ahead_of_its_row_is_adopted(service: Service, bff: Caller) -> None:
    """A genuine token of a later generation, as after lost writes, is refreshed from there."""
    issued = await issue(bff)
    opened = service.keys.refresh_tokens.open(issued.refresh_token)
    assert opened is not None
    refreshed = await refresh(bff, sealed(service, opened.handle, 7))
    assert (await session_of(bff, issued.session_id)).generation == 8
    assert await is_active(bff, refreshed.refresh_token)
    assert rows_of(service, "audit_events")[-1]["type"] == "session.generation_healed"


@pytest.mark.parametrize("named", ["", "app"])
async def test_a_bff_relays_the_refresh_of_a_public_client(service: Service, bff: Caller, named: str) -> None:
    """A caller that acts for a public client refreshes its tokens, whether it names the client or not."""
    await service.public_client("app", policy_of(scopes=("openid",)))
    issued = await issue(bff, client_id="app")
    refreshed = await refresh(bff, issued.refresh_token, client_id=named)
    assert (await introspect(bff, refreshed.access_token)).client_id == "app"
