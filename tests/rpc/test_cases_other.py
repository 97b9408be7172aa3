"""Where claims, clocks and upgrades have gone wrong elsewhere, under each refresh token format: cases 39, 45 and 47."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.harness import Caller, Service, failure
from tests.rpc.faults import second_node, through
from tests.rpc.refresh_formats import (
    IN_EVERY_FORMAT,
    STATELESS,
    WHERE_A_ROW_COUNTS,
    WITHOUT_A_ROW,
    Place,
    app_under,
    both,
    is_dead,
    place_on,
    refused,
    rotated,
)
from tests.rpc.steps import introspect, is_active, issue, refresh, revoke
from tests.rpc.tables import tables_of
from tests.store.test_migrations import REVISIONS
from tokensvc.app import open_database, upgrade_schema
from tokensvc.config import Settings
from tokensvc.domain.policy import DAY, HOUR, RefreshTokenFormat
from tokensvc.store.migrating import current_revision, downgrade

REUSED, REVOKED = "REFRESH_TOKEN_REUSED", "REFRESH_TOKEN_REVOKED"
RESERVED = ("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "sid", "cnf", "act")
# What refresh tokens call what they say; as claims of the caller's these names mean nothing.
INNER: dict[str, Any] = {
    "session_id": "A" * 22,
    "subject": "eve",
    "scopes": ["admin"],
    "audiences": ["mail"],
    "claims": "{}",
    "generation": 9,
    "gen": 9,
    "hdl": "A" * 22,
    "started_at": 2**52,
    "started_revision": 2**52,
    "expires_at": 2**52,
    "idle_ttl": 2**52,
    "access_ttl": 2**52,
    "rotated_at": 2**52,
    "used_at": 2**52,
    "retry_window": 2**52,
    "revoked_at": None,
    "is_stateless": True,
    "credential_digest": "",
    "device": ["x", "", ""],
}


@pytest.fixture
async def place(database: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Place]:
    """Where a service is started and stopped, on the database under test."""
    async with place_on(database, tmp_path / "data", clock) as place:
        yield place


@pytest.fixture
async def app(service: Service, token_format: RefreshTokenFormat) -> Caller:
    """A client with the format under test."""
    return await app_under(service, token_format)


@IN_EVERY_FORMAT
async def test_case_39_a_reserved_claim_is_refused(service: Service, app: Caller) -> None:
    """Each of them, whatever its value; nothing is written."""
    before = tables_of(service)
    for name in RESERVED:
        for value in (None, "eve", 2**40):
            said = await failure(issue(app, claims={name: value, "harmless": 1}))
            assert (said.reason, said.fields) == ("INVALID_REQUEST", ("claims",)), name
    assert tables_of(service) == before


@IN_EVERY_FORMAT
async def test_case_39_no_claim_is_taken_for_what_the_token_says_itself(service: Service, app: Caller) -> None:
    """Claims that are named like a refresh token's own come back as they were given, and change nothing."""
    issued = await issue(app, scopes=["read"], audiences=["api"], claims=INNER, refresh_ttl={"seconds": 3600})
    given = await refresh(app, issued.refresh_token)
    seen = [await introspect(app, token) for token in both(given)]
    for one in seen:
        assert (one.subject, one.session_id, list(one.scopes)) == ("ada", issued.session_id, ["read"])
        assert list(one.audiences) == ["api"]
        assert one.expires_at.seconds <= service.clock() // 1000 + 3600
    assert dict(seen[0].claims) == dict(seen[0].claims) | {"subject": "eve", "generation": 9, "hdl": "A" * 22}
    await revoke(app, subject="ada")
    assert await is_dead(app, issued, given)
    assert await refused(refresh(app, given.refresh_token)) == REVOKED


@WHERE_A_ROW_COUNTS
async def test_case_45_no_jump_of_the_clock_brings_a_consumed_token_back(
    service: Service, token_format: RefreshTokenFormat
) -> None:
    """An hour forward, an hour back: it is a reuse, and the family stays ended when the clock jumps once more."""
    app = await app_under(service, token_format)
    for hours in (1, -1):
        first, second = await rotated(app, 1)
        service.clock.advance(hours=hours)
        assert await refused(refresh(app, first.refresh_token)) == REUSED
        service.clock.advance(hours=-hours)
        assert await refused(refresh(app, first.refresh_token)) == REUSED
        assert await refused(refresh(app, second.refresh_token)) == REVOKED
        assert await is_dead(app, first, second)


@IN_EVERY_FORMAT
async def test_case_45_nor_one_that_was_revoked(service: Service, token_format: RefreshTokenFormat) -> None:
    """An hour forward, where all that has expired is pruned, and two back: dead, also at a node that begins then."""
    app = await app_under(service, token_format, refresh_absolute_ttl=HOUR // 2)
    one, two = [await rotated(app, 1, subject=subject) for subject in ("ada", "eve")]
    await revoke(app, token=one[1].refresh_token)
    await revoke(app, subject="eve")
    for hours in (1, -2, 1):
        service.clock.advance(hours=hours)
        await service.store.prune(service.clock(), 1000)
        async with second_node(service) as channel:
            for caller in (app, through(app, channel)):
                assert await is_dead(caller, *one, *two)
                for given in (one, two):
                    assert await refused(refresh(caller, given[1].refresh_token)) == REVOKED


@IN_EVERY_FORMAT
async def test_case_45_a_living_token_survives_it(service: Service, app: Caller) -> None:
    """A clock that has gone wrong for a while logs nobody out."""
    token = (await issue(app)).refresh_token
    for hours in (1, -1, -1, 1):
        service.clock.advance(hours=hours)
        assert await is_active(app, token)
        token = (await refresh(app, token)).refresh_token


@WITHOUT_A_ROW
async def test_case_45_without_a_row_an_older_token_lives_on_through_it(service: Service, app: Caller) -> None:
    """Nothing is consumed, so there is nothing to come back."""
    first, _ = await rotated(app, 1)
    for hours in (1, -2):
        service.clock.advance(hours=hours)
        assert (await refresh(app, first.refresh_token)).refresh_token


async def _take_back(settings: Settings, revision: str) -> None:
    """Leave the database as the version of `revision` would have written it."""
    database = open_database(settings)
    await database.write(partial(downgrade, revision=revision))
    assert await database.read(current_revision) == revision
    await database.close()


@pytest.mark.parametrize(
    ("database", "revision"),
    [("sqlite", REVISIONS[-2]), ("sqlite", REVISIONS[0]), ("postgres", REVISIONS[0])],
    ids=["sqlite-last", "sqlite-first", "postgres-first"],
)
@IN_EVERY_FORMAT
async def test_case_47_what_an_older_version_has_written_is_read(
    place: Place, token_format: RefreshTokenFormat, revision: str
) -> None:
    """Sessions, revocations and keys: what lived lives, what was consumed or revoked does not."""
    service = await place.start()
    app = await app_under(service, token_format, retry_window=0, refresh_absolute_ttl=DAY)
    living, ended, of_eve, reused = [await rotated(app, 1, subject=subject) for subject in ("ada", "ada", "eve", "ada")]
    await revoke(app, token=ended[0].refresh_token)
    await revoke(app, subject="eve")
    await place.stop()
    await _take_back(service.settings, revision)
    await upgrade_schema(service.settings)
    service = await place.start()
    app = through(app, service.channel)
    for family in (ended, of_eve):
        assert await refused(refresh(app, family[1].refresh_token)) == REVOKED
        assert await is_dead(app, *family)
    seen = await introspect(app, living[1].refresh_token)
    assert (seen.active, seen.subject, seen.session_id) == (True, "ada", living[0].session_id)
    assert (await refresh(app, living[1].refresh_token)).session_id == living[0].session_id
    if token_format is not STATELESS:  # of which nothing is consumed
        assert await refused(refresh(app, reused[0].refresh_token)) == REUSED
        assert await is_dead(app, *reused)
