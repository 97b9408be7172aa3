"""Where refreshes have gone wrong elsewhere, under each format of refresh tokens: cases 1 to 8."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.fakes import FakeClock
from tests.harness import Caller, Service, failure
from tests.rpc.faults import through
from tests.rpc.refresh_formats import (
    IN_EVERY_FORMAT,
    ON_BOTH_DATABASES,
    WHERE_A_ROW_COUNTS,
    WITHOUT_A_ROW,
    Place,
    app_under,
    both,
    is_dead,
    place_on,
    refused,
    rotated,
    twenty_at_once,
)
from tests.rpc.steps import introspect, is_active, issue, refresh, revoke
from tests.rpc.tables import tables_of
from tokensvc.domain.policy import RefreshTokenFormat

REUSED, REVOKED = "REFRESH_TOKEN_REUSED", "REFRESH_TOKEN_REVOKED"
MOST = 300  # refreshes, after which a session that was revoked long ago is not going to be refused any more


@pytest.fixture
async def place(database: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Place]:
    """Where a service is started and stopped, on the database under test."""
    async with place_on(database, tmp_path / "data", clock) as place:
        yield place


@pytest.fixture
async def app(service: Service, token_format: RefreshTokenFormat) -> Caller:
    """A client with the format under test, and without a retry window: whatever is consumed shows at once."""
    return await app_under(service, token_format, retry_window=0)


@ON_BOTH_DATABASES
@WHERE_A_ROW_COUNTS
async def test_case_01_of_twenty_refreshes_at_once_one_wins(place: Place, token_format: RefreshTokenFormat) -> None:
    """Over two nodes and without a window exactly one succeeds; all others are told of the reuse, which ends it."""
    service = await place.start()
    app = await app_under(service, token_format, retry_window=0)
    won, reasons = await twenty_at_once(service, app, (await issue(app)).refresh_token)
    assert len(won) == 1
    assert reasons == [REUSED] * 19
    assert await is_dead(app, won[0])


@ON_BOTH_DATABASES
@WITHOUT_A_ROW
async def test_case_01_without_a_row_all_twenty_win_and_end_together(
    place: Place, token_format: RefreshTokenFormat
) -> None:
    """Nothing can be had by one alone; a revocation through any of the twenty ends them all."""
    service = await place.start()
    app = await app_under(service, token_format, retry_window=0)
    won, _ = await twenty_at_once(service, app, (await issue(app)).refresh_token)
    assert len(won) == 20
    assert all([await is_active(app, token) for one in won for token in both(one)])
    await revoke(app, token=won[7].refresh_token)
    assert await is_dead(app, *won)


@ON_BOTH_DATABASES
@IN_EVERY_FORMAT
async def test_case_02_in_the_window_twenty_get_one_successor(place: Place, token_format: RefreshTokenFormat) -> None:
    """Over two nodes, and in one moment, all succeed with the identical refresh token."""
    service = await place.start()
    app = await app_under(service, token_format)
    won, reasons = await twenty_at_once(service, app, (await issue(app)).refresh_token)
    assert reasons == []
    assert len({one.refresh_token for one in won}) == 1
    assert (await refresh(app, won[0].refresh_token)).refresh_token


@WHERE_A_ROW_COUNTS
async def test_case_02_a_later_retry_gets_the_same_successor(
    service: Service, token_format: RefreshTokenFormat
) -> None:
    """To the end of the window."""
    app = await app_under(service, token_format)
    token = (await issue(app)).refresh_token
    first = await refresh(app, token)
    service.clock.advance(seconds=29.999)
    assert (await refresh(app, token)).refresh_token == first.refresh_token


@WITHOUT_A_ROW
async def test_case_02_without_a_row_a_later_retry_gets_another_successor(service: Service, app: Caller) -> None:
    """The successor says when it was made, and nothing else remembers that; each of them goes on working."""
    token = (await issue(app)).refresh_token
    first = await refresh(app, token)
    service.clock.advance(seconds=1)
    second = await refresh(app, token)
    assert first.refresh_token != second.refresh_token
    assert [(await refresh(app, one.refresh_token)).session_id for one in (first, second)] == [first.session_id] * 2


@WHERE_A_ROW_COUNTS
async def test_case_03_two_rotations_in_one_moment(service: Service, token_format: RefreshTokenFormat) -> None:
    """The first token is caught though no time has passed and the window is open: generations are counted."""
    app = await app_under(service, token_format)
    first, _, third = await rotated(app, 2)
    assert await refused(refresh(app, first.refresh_token)) == REUSED
    assert await refused(refresh(app, third.refresh_token)) == REVOKED


@WITHOUT_A_ROW
async def test_case_03_without_a_row_the_first_goes_on_working(app: Caller) -> None:
    """No reuse is detected, as its documentation says."""
    first, _, third = await rotated(app, 2)
    for one in (first, third):
        assert (await refresh(app, one.refresh_token)).session_id == first.session_id


@ON_BOTH_DATABASES
@WHERE_A_ROW_COUNTS
async def test_case_04_a_restart_forgets_no_rotation(place: Place, token_format: RefreshTokenFormat) -> None:
    """A token that was consumed before it is caught after it, and ends the family."""
    service = await place.start()
    app = await app_under(service, token_format, retry_window=0)
    first, second = await rotated(app, 1)
    await place.stop()
    service = await place.start()
    app = through(app, service.channel)
    assert await is_active(app, second.refresh_token)
    assert await refused(refresh(app, first.refresh_token)) == REUSED
    assert await is_dead(app, second)


@ON_BOTH_DATABASES
@WITHOUT_A_ROW
async def test_case_04_without_a_row_a_restart_changes_nothing(place: Place, token_format: RefreshTokenFormat) -> None:
    """What worked before works after it; what had ended has ended (case 26)."""
    service = await place.start()
    app = await app_under(service, token_format)
    first, second = await rotated(app, 1)
    await place.stop()
    service = await place.start()
    app = through(app, service.channel)
    for one in (first, second):
        assert (await refresh(app, one.refresh_token)).session_id == first.session_id


async def _refresh_until_refused(caller: Caller, token: str, given: list[pb.RefreshResponse]) -> None:
    for _ in range(MOST):
        given.append(await refresh(caller, token))
        token = given[-1].refresh_token


async def _race(app: Caller, target: str) -> None:
    """Refresh on and on, and revoke in the middle of it: from the answer on nothing that was given is active."""
    chance = random.Random(target)
    for _ in range(5):
        issued = await issue(app)
        given: list[pb.RefreshResponse] = []
        refreshing = asyncio.ensure_future(_refresh_until_refused(app, issued.refresh_token, given))
        for _ in range(chance.randrange(3)):
            await is_active(app, issued.access_token)  # lets the refreshes get ahead, now more, now less
        values = {"session_id": issued.session_id, "token": issued.refresh_token, "subject": "ada", "client_id": "app"}
        await revoke(app, **{target: values[target]})
        assert not await is_active(app, issued.access_token)
        assert await refused(refreshing) == REVOKED
        assert await is_dead(app, *given)


@IN_EVERY_FORMAT
@pytest.mark.parametrize("target", ["token", "subject", "client_id"])
async def test_case_05_a_refresh_does_not_outrun_a_revocation(app: Caller, target: str) -> None:
    """Once Revoke has answered, nothing of the family is active again."""
    await _race(app, target)


@WHERE_A_ROW_COUNTS  # a stateless session cannot be ended by its id: nothing tells whose it is
async def test_case_05_nor_a_revocation_of_its_session(app: Caller) -> None:
    """The same where the session is named."""
    await _race(app, "session_id")


@WITHOUT_A_ROW
async def test_case_05_without_a_row_a_session_id_ends_nothing(service: Service, app: Caller) -> None:
    """Revoke answers as for an unknown id, and writes nothing."""
    issued = await issue(app)
    before = tables_of(service)
    assert await revoke(app, session_id=issued.session_id) == await revoke(app, session_id="A" * 22)
    assert tables_of(service) == before
    assert all([await is_active(app, token) for token in both(issued)])


@WHERE_A_ROW_COUNTS
async def test_case_06_reuse_ends_the_family_and_no_other(app: Caller) -> None:
    """Whichever old token comes back, its access tokens die too; a session of the same subject and client lives."""
    other = await issue(app)
    for generation in range(3):
        family = await rotated(app, 3)
        assert await refused(refresh(app, family[generation].refresh_token)) == REUSED
        assert await is_dead(app, *family)
    assert all([await is_active(app, token) for token in both(other)])
    assert (await refresh(app, other.refresh_token)).refresh_token


@WITHOUT_A_ROW
async def test_case_06_without_a_row_an_old_token_ends_nothing(app: Caller) -> None:
    """It is refreshed like any other; a theft that is known of is ended by Revoke (case 18)."""
    family = await rotated(app, 3)
    for old in family:
        assert (await refresh(app, old.refresh_token)).refresh_token
    assert all([await is_active(app, token) for one in family for token in both(one)])


@IN_EVERY_FORMAT
async def test_case_07_another_client_is_refused_and_harms_nothing(service: Service, app: Caller) -> None:
    """A client without a right to it, a wrong name for the client, a wrong secret: nothing is written."""
    stranger = await service.caller("stranger", acts_for=frozenset())
    token = (await issue(app)).refresh_token
    before = tables_of(service)
    assert await refused(refresh(stranger, token)) == "CLIENT_MISMATCH"
    assert await refused(refresh(stranger, token, client_id="stranger")) == "CLIENT_MISMATCH"
    assert await refused(refresh(app, token, client_id="stranger")) == "CLIENT_MISMATCH"
    assert await refused(refresh(Caller("app", "wrong", service.channel), token)) == "CALLER_UNAUTHENTICATED"
    assert tables_of(service) == before
    assert (await refresh(app, token)).refresh_token


@WHERE_A_ROW_COUNTS
async def test_case_07_another_client_does_not_trip_reuse_detection(service: Service, app: Caller) -> None:
    """It hears the same of a consumed token as of the present one."""
    stranger = await service.caller("stranger", acts_for=frozenset())
    first, second = await rotated(app, 1)
    assert await failure(refresh(stranger, first.refresh_token)) == await failure(
        refresh(stranger, second.refresh_token)
    )
    assert (await refresh(app, second.refresh_token)).refresh_token


@IN_EVERY_FORMAT
@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"scopes": ["read", "write"]}, "INVALID_SCOPE"), ({"audiences": ["billing"]}, "INVALID_AUDIENCE")],
    ids=["scope", "audience"],
)
async def test_case_08_a_wider_wish_consumes_nothing(
    service: Service, app: Caller, fields: dict[str, Any], reason: str
) -> None:
    """It is refused although the policy allows it, nothing is written, and the grant is what it was."""
    token = (await issue(app, scopes=["read"], audiences=["api"])).refresh_token
    before = tables_of(service)
    assert await refused(refresh(app, token, **fields)) == reason
    assert tables_of(service) == before
    seen = await introspect(app, (await refresh(app, token)).access_token)
    assert (list(seen.scopes), list(seen.audiences)) == (["read"], ["api"])
