"""Ending everything of a subject, a device or a client."""

from typing import Any

import pytest

from tests.harness import Caller, Service, failure
from tests.rpc.faults import second_node, through
from tests.rpc.steps import is_active, issue, refresh, revoke
from tests.rpc.tables import rows_of, tables_of

PHONE = {"subject": "ada", "device_id": "phone"}
TARGETS: list[dict[str, Any]] = [{"subject": "ada"}, {"device": PHONE}, {"client_id": "bff"}]
EACH_TARGET = pytest.mark.parametrize("target", TARGETS, ids=lambda target: next(iter(target)))


def _moment(milliseconds: int) -> dict[str, int]:
    return {"seconds": milliseconds // 1000, "nanos": milliseconds % 1000 * 1_000_000}


async def _login(caller: Caller, subject: str = "ada", device_id: str = "phone", **fields: Any) -> Any:
    return await issue(caller, subject, device={"id": device_id}, **fields)


async def _is_dead(caller: Caller, issued: Any) -> bool:
    """Whether nothing of the session works; fails when one of its tokens works and another does not."""
    tokens = {await is_active(caller, token) for token in (issued.access_token, issued.refresh_token) if token}
    assert len(tokens) == 1
    if tokens == {False} and issued.refresh_token:
        assert (await failure(refresh(caller, issued.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"
    return tokens == {False}


@EACH_TARGET
async def test_everything_of_the_target_ends(bff: Caller, target: dict[str, Any]) -> None:
    """All sessions and single access tokens that the target covers are dead at once."""
    sessions = [await _login(bff), await _login(bff), await _login(bff, access_only=True)]
    await revoke(bff, **target)
    assert all([await _is_dead(bff, issued) for issued in sessions])


@pytest.mark.parametrize(
    ("target", "survives"),
    [
        ({"subject": "ada"}, {"subject": "bob"}),
        ({"subject": "ada"}, {"subject": "ada2"}),
        ({"device": PHONE}, {"device_id": "tablet"}),
        ({"device": PHONE}, {"device_id": ""}),
        ({"device": PHONE}, {"subject": "bob"}),
        ({"client_id": "bff"}, {"client_id": "app"}),
    ],
    ids=str,
)
async def test_what_the_target_does_not_cover_survives(
    service: Service, bff: Caller, target: dict[str, Any], survives: dict[str, str]
) -> None:
    """Other subjects, devices and clients notice nothing."""
    await service.public_client("app")
    kept = await _login(bff, **survives)
    await revoke(bff, **target)
    assert not await _is_dead(bff, kept)
    assert (await refresh(bff, kept.refresh_token)).refresh_token


async def test_a_subject_ends_across_all_clients(service: Service, bff: Caller) -> None:
    """Whatever client a subject's tokens are for, revoking the subject ends them."""
    await service.public_client("app")
    sessions = [await _login(bff, client_id=client_id) for client_id in ("bff", "app")]
    await revoke(bff, subject="ada")
    assert all([await _is_dead(bff, issued) for issued in sessions])


@EACH_TARGET
async def test_a_new_login_works_in_the_very_same_millisecond(bff: Caller, target: dict[str, Any]) -> None:
    """With the clock standing still, what begins after the revocation lives and what began before it is dead."""
    old = await _login(bff)
    await revoke(bff, **target)
    new = await _login(bff)
    assert await _is_dead(bff, old)
    assert not await _is_dead(bff, new)
    refreshed = await refresh(bff, new.refresh_token)
    assert await is_active(bff, refreshed.access_token)


async def test_a_recreated_subject_inherits_no_old_token(service: Service, bff: Caller) -> None:
    """Tokens of a subject that was ended stay dead when a subject of that name logs in later."""
    old = await _login(bff)
    await revoke(bff, subject="ada", reason="account deleted")
    service.clock.advance(seconds=60)
    new = await _login(bff)
    assert await _is_dead(bff, old)
    assert not await _is_dead(bff, new)


@EACH_TARGET
async def test_issued_before_spares_what_began_later(service: Service, bff: Caller, target: dict[str, Any]) -> None:
    """With a cut-off, what began before it dies and what began at it or later lives."""
    older = await _login(bff)
    service.clock.advance(seconds=0.001)
    cut_off = service.clock()
    younger = await _login(bff)
    service.clock.advance(seconds=10)
    await revoke(bff, **target, issued_before=_moment(cut_off))
    assert await _is_dead(bff, older)
    assert not await _is_dead(bff, younger)


@EACH_TARGET
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_of_two_cut_offs_the_later_one_wins(
    service: Service, bff: Caller, target: dict[str, Any], order: tuple[int, int]
) -> None:
    """In whichever order two cut-offs arrive, everything before the later one is dead."""
    start = service.clock()
    sessions = []
    for _ in range(3):
        sessions.append(await _login(bff))
        service.clock.advance(seconds=1)
    for seconds in order:
        await revoke(bff, **target, issued_before=_moment(start + seconds * 1000))
    assert [await _is_dead(bff, issued) for issued in sessions] == [True, True, False]


@pytest.mark.parametrize("first", ["everything", "cut-off"])
async def test_a_cut_off_takes_nothing_back(service: Service, bff: Caller, first: str) -> None:
    """A revocation with an early cut-off, before or after one without, does not weaken it."""
    long_ago = _moment(service.clock() - 60_000)
    issued = await _login(bff)
    for issued_before in (None, long_ago) if first == "everything" else (long_ago, None):
        await revoke(bff, subject="ada", issued_before=issued_before)
    assert await _is_dead(bff, issued)


async def test_a_session_is_as_old_as_its_login(service: Service, bff: Caller) -> None:
    """A cut-off looks at when the session began: an access token refreshed later dies with it."""
    issued = await _login(bff)
    service.clock.advance(seconds=100)
    refreshed = await refresh(bff, issued.refresh_token)
    await revoke(bff, subject="ada", issued_before=_moment(service.clock() - 50_000))
    assert not await is_active(bff, refreshed.access_token)
    assert (await failure(refresh(bff, refreshed.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"


async def test_a_barrier_holds_as_long_as_a_session_can_live(service: Service, bff: Caller) -> None:
    """Weeks after the revocation, when the log has forgotten it, the refresh token is still refused."""
    issued = await _login(bff)
    await revoke(bff, subject="ada")
    service.clock.advance(days=20)
    await service.store.prune(service.clock(), 1000)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"


@EACH_TARGET
async def test_a_barrier_is_one_row_whatever_it_ends(service: Service, bff: Caller, target: dict[str, Any]) -> None:
    """Ending many sessions at once rewrites none of them."""
    for _ in range(5):
        await _login(bff)
    before = tables_of(service)
    await revoke(bff, **target)
    after = tables_of(service)
    assert after["sessions"] == before["sessions"]
    assert len(after["revocation_log"]) == len(before["revocation_log"]) + 1
    assert len(after["barriers"]) == len(before["barriers"]) + 1


@EACH_TARGET
async def test_the_reason_is_recorded(service: Service, bff: Caller, target: dict[str, Any]) -> None:
    """Who ended the target and why stands in the log and the audit trail, and the answer is the log's revision."""
    revision = await revoke(bff, **target, reason="password changed")
    entry, event = rows_of(service, "revocation_log")[-1], rows_of(service, "audit_events")[-1]
    assert (entry["revision"], entry["reason"]) == (revision, "password changed")
    assert (event["caller"], event["reason"]) == ("bff", "password changed")
    assert event["type"] == f"{'client' if 'client_id' in target else next(iter(target))}.revoked"


@EACH_TARGET
async def test_a_narrow_caller_may_not_end_what_is_not_its_own(
    service: Service, bff: Caller, target: dict[str, Any]
) -> None:
    """Subjects and devices are for callers that act for every client, clients for those that act for them."""
    narrow = await service.caller("narrow", acts_for=frozenset({"app"}))
    issued = await _login(bff)
    before = tables_of(service)
    refused = await failure(revoke(narrow, **target))
    assert (refused.code.name, refused.reason) == ("PERMISSION_DENIED", "CALLER_NOT_PERMITTED")
    assert tables_of(service) == before
    assert not await _is_dead(bff, issued)


async def test_a_caller_may_end_its_own_client_and_those_it_acts_for(service: Service, bff: Caller) -> None:
    """For a client revocation the reach of acts_for is enough."""
    await service.public_client("app")
    narrow = await service.caller("narrow", acts_for=frozenset({"app"}))
    sessions = [await _login(bff, client_id=client_id) for client_id in ("app", "narrow")]
    await revoke(narrow, client_id="app")
    await revoke(narrow, client_id="narrow")
    assert all([await _is_dead(bff, issued) for issued in sessions])


async def test_revoked_stays_revoked_after_a_restart(service: Service, bff: Caller) -> None:
    """A node that starts afterwards knows the revocations of token, session and subject."""
    alone, session, subject = await _login(bff, "eve"), await _login(bff, "bob"), await _login(bff)
    await revoke(bff, token=alone.access_token)
    await revoke(bff, session_id=session.session_id)
    await revoke(bff, subject="ada")
    async with second_node(service) as channel:
        there = through(bff, channel)
        for token in (alone.access_token, session.access_token, session.refresh_token, subject.access_token):
            assert not await is_active(there, token)
        assert await is_active(there, alone.refresh_token)


@EACH_TARGET
@pytest.mark.parametrize("behind", [2, 3600])
async def test_a_login_after_a_cut_off_lives_on_a_node_whose_clock_is_behind_it(
    service: Service, bff: Caller, target: dict[str, Any], behind: int
) -> None:
    """It has seen the barrier, so it is later; what began before is dead, and stays so for that clock too."""
    old = await _login(bff)
    service.clock.advance(seconds=1)
    await revoke(bff, **target, issued_before=_moment(service.clock()))
    service.clock.advance(seconds=-behind)
    new = await _login(bff)
    refreshed = await refresh(bff, new.refresh_token)
    assert await is_active(bff, refreshed.access_token)
    assert await is_active(bff, refreshed.refresh_token)
    assert await is_active(bff, (await _login(bff, access_only=True)).access_token)
    assert await _is_dead(bff, old)
    service.clock.advance(seconds=behind + 1)
    assert await is_active(bff, refreshed.refresh_token)
