"""Where revocations have gone wrong elsewhere, under each format of refresh tokens: cases 17 to 22."""

from collections.abc import Callable
from typing import Any

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.rpc.faults import FailingStore, second_node, server_over, through
from tests.rpc.refresh_formats import (
    IN_EVERY_FORMAT,
    STATELESS,
    app_under,
    both,
    is_dead,
    of_another_installation,
    refused,
    rotated,
)
from tests.rpc.steps import is_active, issue, refresh, revoke
from tests.rpc.tables import tables_of
from tokensvc.domain.client import Permission
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import HOUR, RefreshTokenFormat

REVOKED = "REFRESH_TOKEN_REVOKED"
PHONE = {"subject": "ada", "device_id": "phone"}


@pytest.fixture
async def app(service: Service, token_format: RefreshTokenFormat) -> Caller:
    """A client with the format under test."""
    return await app_under(service, token_format, refresh_idle_ttl=HOUR)


@IN_EVERY_FORMAT
async def test_case_17_revoking_what_is_dead_or_unknown_succeeds(
    service: Service, app: Caller, token_format: RefreshTokenFormat
) -> None:
    """Unknown, malformed and revoked already: success with the log's present revision, and nothing is written."""
    issued = await issue(app)
    revision = await revoke(app, token=issued.refresh_token)
    before = tables_of(service)
    for token in (issued.refresh_token, of_another_installation(token_format), issued.refresh_token[:-1]):
        assert await revoke(app, token=token) == revision
    assert tables_of(service) == before


@IN_EVERY_FORMAT
async def test_case_17_revoking_what_has_expired_succeeds(service: Service, app: Caller) -> None:
    """However often, here or at a node that has just begun: of several times at most one leaves anything."""
    issued = await issue(app)
    service.clock.advance(days=100)
    await revoke(app, token=issued.refresh_token)
    before = tables_of(service)
    async with second_node(service) as channel:
        for caller in (app, through(app, channel)):
            await revoke(caller, token=issued.refresh_token)
    assert tables_of(service) == before
    assert await is_dead(app, issued)


@IN_EVERY_FORMAT
async def test_case_17_a_wrong_hint_still_revokes(app: Caller) -> None:
    """What counts is the token itself."""
    for hint in ("access_token", "id_token"):
        issued = await issue(app)
        await revoke(app, token=issued.refresh_token, token_type_hint=hint)
        assert await is_dead(app, issued)
        assert await refused(refresh(app, issued.refresh_token)) == REVOKED


@pytest.mark.parametrize("target", [{"token": ""}, {"token": "", "token_type_hint": "refresh_token"}, {}], ids=str)
async def test_case_17_an_empty_target_is_refused(bff: Caller, target: dict[str, str]) -> None:
    """INVALID_ARGUMENT: an empty token has no format."""
    assert (await failure(revoke(bff, **target))).code.name == "INVALID_ARGUMENT"


@IN_EVERY_FORMAT
async def test_case_18_any_token_of_the_family_ends_it(app: Caller) -> None:
    """The oldest, one in between, the newest: every token of the family is dead, and no other."""
    other = await issue(app)
    for generation in range(3):
        family = await rotated(app, 2)
        await revoke(app, token=family[generation].refresh_token)
        assert await is_dead(app, *family)
        assert {await refused(refresh(app, one.refresh_token)) for one in family} == {REVOKED}
    assert (await refresh(app, other.refresh_token)).refresh_token


@IN_EVERY_FORMAT
async def test_case_18_so_does_one_that_was_left_lying_for_too_long(service: Service, app: Caller) -> None:
    """An old token, too old to be refreshed, still ends the family that has moved on."""
    old = await issue(app)
    service.clock.advance(minutes=40)
    new = await refresh(app, old.refresh_token)
    service.clock.advance(minutes=40)
    assert await is_active(app, new.refresh_token)
    await revoke(app, token=old.refresh_token)
    assert await is_dead(app, old, new)
    assert await refused(refresh(app, new.refresh_token)) == REVOKED


@IN_EVERY_FORMAT
async def test_case_19_another_clients_token_lives_and_nothing_is_told(
    service: Service, app: Caller, token_format: RefreshTokenFormat
) -> None:
    """A caller that may not act for its client hears what it hears of an unknown token."""
    stranger = await service.caller("stranger", acts_for=frozenset())
    issued = await issue(app)
    unknown = await revoke(stranger, token=of_another_installation(token_format))
    before = tables_of(service)
    assert [await revoke(stranger, token=token) for token in both(issued)] == [unknown] * 2
    assert tables_of(service) == before
    assert all([await is_active(app, token) for token in both(issued)])


@IN_EVERY_FORMAT
async def test_case_19_who_may_act_for_its_client_revokes(service: Service, app: Caller) -> None:
    """A relay does, with the permission."""
    relay = await service.caller("relay", acts_for=frozenset({"app"}), permissions=frozenset({Permission.REVOKE}))
    issued = await issue(app)
    await revoke(relay, token=issued.refresh_token)
    assert await is_dead(app, issued)


REQUESTS: dict[str, Callable[[str], Any]] = {
    "Refresh": lambda token: pb.RefreshRequest(refresh_token=token),
    "Revoke": lambda token: pb.RevokeRequest(token=token),
    "Introspect": lambda token: pb.IntrospectRequest(token=token),
    "BatchIntrospect": lambda token: pb.BatchIntrospectRequest(tokens=[token]),
}
# What each method needs of the store for a refresh token. The session of a stateless one is not read but brought.
NEEDS = {
    "view": tuple(REQUESTS),
    "commit": ("Refresh", "Revoke"),
    "sessions_by_id": ("Introspect", "BatchIntrospect"),
}


@IN_EVERY_FORMAT
@pytest.mark.parametrize("needed", NEEDS)
async def test_case_20_a_store_that_fails_is_no_success(
    service: Service, app: Caller, token_format: RefreshTokenFormat, needed: str
) -> None:
    """Neither a refresh, nor a revocation, nor an answer of any kind: UNAVAILABLE, and nothing is changed."""
    token = (await issue(app)).refresh_token
    before = tables_of(service)
    read = "brought" if needed == "sessions_by_id" and token_format is STATELESS else needed
    error = RefusedError(Reason.STORE_UNAVAILABLE, "the database is not available")
    async with server_over(service, FailingStore(service.store, error, read)) as channel:
        for method in NEEDS[needed]:
            call = getattr(through(app, channel), method)
            assert await refused(call(REQUESTS[method](token))) == "STORE_UNAVAILABLE"
    assert tables_of(service) == before
    assert (await refresh(app, token)).refresh_token


@IN_EVERY_FORMAT
async def test_case_21_another_node_knows_a_revocation_at_once(service: Service, app: Caller) -> None:
    """Its very next introspection, and its next refresh, though it has seen the tokens alive before."""
    async with second_node(service) as channel:
        there = through(app, channel)
        for target in ("token", "device", "subject", "client_id"):
            issued = await issue(app, device={"id": "phone"})
            assert all([await is_active(there, token) for token in both(issued)])
            values = {"token": issued.refresh_token, "device": PHONE, "subject": "ada", "client_id": "app"}
            await revoke(app, **{target: values[target]})
            assert await is_dead(there, issued), target
            assert await refused(refresh(there, issued.refresh_token)) == REVOKED, target


@IN_EVERY_FORMAT
@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["rising", "falling"])
async def test_case_22_of_two_cut_offs_the_later_one_wins(
    service: Service, app: Caller, order: tuple[int, int]
) -> None:
    """In whichever order they arrive, and also for what was refreshed since."""
    for target in ({"device": PHONE}, {"subject": "ada"}, {"client_id": "app"}):
        start = service.clock() // 1000
        families = []
        for _ in range(3):
            families.append(await rotated(app, 1, device={"id": "phone"}))
            service.clock.advance(seconds=1)
        for seconds in order:
            await revoke(app, **target, issued_before={"seconds": start + seconds})
        assert [await is_dead(app, *family) for family in families] == [True, True, False], target
        assert [await refused(refresh(app, family[1].refresh_token)) for family in families[:2]] == [REVOKED] * 2
        assert (await refresh(app, families[2][1].refresh_token)).refresh_token
