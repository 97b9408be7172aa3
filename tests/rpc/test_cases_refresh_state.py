"""Where refreshes have gone wrong elsewhere, under each format of refresh tokens: cases 9 to 16."""

import asyncio
import base64
import re
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.rpc.faults import through, wire_to
from tests.rpc.refresh_formats import (
    IN_EVERY_FORMAT,
    JWT,
    OPAQUE,
    STATELESS,
    WHERE_A_ROW_COUNTS,
    WITHOUT_A_ROW,
    app_under,
    both,
    is_dead,
    refused,
    rotated,
)
from tests.rpc.steps import change_policy, introspect, is_active, issue, refresh, revoke
from tests.rpc.tables import tables_of
from tokensvc.domain.policy import DAY, HOUR, RefreshTokenFormat, Rotation
from tokensvc.services.clients import OPERATOR

REUSED, REVOKED, EXPIRED = "REFRESH_TOKEN_REUSED", "REFRESH_TOKEN_REVOKED", "REFRESH_TOKEN_EXPIRED"
INVALID = "REFRESH_TOKEN_INVALID"
BATCH = 500  # tokens in one introspection


@pytest.fixture
async def app(service: Service, token_format: RefreshTokenFormat) -> Caller:
    """A client with the format under test."""
    return await app_under(service, token_format)


@IN_EVERY_FORMAT
async def test_case_09_what_the_policy_has_lost_is_not_handed_out(service: Service, app: Caller) -> None:
    """A scope and an audience that were taken from the client are missing at the next refresh, and refused by name."""
    issued = await issue(app)
    await change_policy(service, "app", scopes=("read",), audiences=("api",))
    for wish in ({"scopes": ["write"]}, {"audiences": ["billing"]}):
        assert (await refused(refresh(app, issued.refresh_token, **wish))).startswith("INVALID_")
    seen = await introspect(app, (await refresh(app, issued.refresh_token)).access_token)
    assert (list(seen.scopes), list(seen.audiences)) == (["read"], ["api"])


@IN_EVERY_FORMAT
async def test_case_10_a_disabled_client_is_dead(service: Service, app: Caller) -> None:
    """Refresh fails and Introspect says inactive, for as long as it is disabled; afterwards its sessions stay ended."""
    relay = await service.caller("relay")
    given = await rotated(app, 1)
    await service.clients.set_disabled("app", disabled=True, caller=OPERATOR)
    assert await refused(refresh(relay, given[1].refresh_token)) == "CLIENT_DISABLED"
    assert await is_dead(relay, *given)
    await service.clients.set_disabled("app", disabled=False, caller=OPERATOR)
    assert await refused(refresh(relay, given[1].refresh_token)) == REVOKED
    assert await is_dead(relay, *given)


@WHERE_A_ROW_COUNTS
async def test_case_11_the_window_opens_nothing_to_what_has_expired(service: Service, app: Caller) -> None:
    """A retry within the window is refused when the session is over, and changes nothing."""
    first = await issue(app, refresh_ttl={"seconds": 10})
    await refresh(app, first.refresh_token)
    service.clock.advance(seconds=9.999)
    await refresh(app, first.refresh_token)
    service.clock.advance(seconds=0.001)
    before = tables_of(service)
    assert await refused(refresh(app, first.refresh_token)) == EXPIRED
    assert tables_of(service) == before


@WHERE_A_ROW_COUNTS
async def test_case_11_a_retry_does_not_move_the_window(service: Service, app: Caller) -> None:
    """Thirty seconds after the rotation it is closed, whatever was retried meanwhile."""
    first = await issue(app)
    await refresh(app, first.refresh_token)
    service.clock.advance(seconds=20)
    await refresh(app, first.refresh_token)
    service.clock.advance(seconds=10)
    assert await refused(refresh(app, first.refresh_token)) == REUSED


@WITHOUT_A_ROW
async def test_case_11_without_a_row_a_use_does_not_prolong_the_token_itself(
    service: Service, token_format: RefreshTokenFormat
) -> None:
    """There is no window: a token ends when it was to end, however lately it was used; its successor ends later."""
    app = await app_under(service, token_format, refresh_idle_ttl=HOUR)
    first = await issue(app)
    service.clock.advance(minutes=59)
    second = await refresh(app, first.refresh_token)
    service.clock.advance(minutes=1)
    assert await refused(refresh(app, first.refresh_token)) == EXPIRED
    assert (await refresh(app, second.refresh_token)).refresh_token


@IN_EVERY_FORMAT
async def test_case_12_no_rotation_moves_the_absolute_end(service: Service, token_format: RefreshTokenFormat) -> None:
    """A session that is used every hour ends a day after it began, to the millisecond."""
    app = await app_under(service, token_format, refresh_idle_ttl=2 * HOUR, refresh_absolute_ttl=DAY)
    token = (await issue(app)).refresh_token
    for _ in range(23):
        service.clock.advance(hours=1)
        token = (await refresh(app, token)).refresh_token
    service.clock.advance(hours=1, milliseconds=-1)
    token = (await refresh(app, token)).refresh_token
    assert await is_active(app, token)
    service.clock.advance(milliseconds=1)
    assert await refused(refresh(app, token)) == EXPIRED
    assert not await is_active(app, token)


@IN_EVERY_FORMAT
async def test_case_12_what_is_not_used_dies_of_it(service: Service, token_format: RefreshTokenFormat) -> None:
    """The idle lifetime begins again with each refresh, and ends to the millisecond."""
    app = await app_under(service, token_format, refresh_idle_ttl=HOUR)
    token = (await issue(app)).refresh_token
    for _ in range(2):
        service.clock.advance(hours=1, milliseconds=-1)
        token = (await refresh(app, token)).refresh_token
    service.clock.advance(hours=1)
    assert await refused(refresh(app, token)) == EXPIRED
    assert not await is_active(app, token)


def _spelling(token: str) -> re.Pattern[bytes]:
    """How a token of the same format looks in a stream of bytes."""
    header, dot, _ = token.partition(".")
    return re.compile(re.escape(header.encode()) + rb"\.[\w-]+\.[\w-]{43}" if dot else rb"tsr1_[\w-]{50}")


@IN_EVERY_FORMAT
async def test_case_13_a_lost_answer_is_given_again(service: Service, app: Caller) -> None:
    """The connection breaks after the commit: the retry, in the same moment, gets the very token that was lost."""
    issued = await issue(app)
    async with wire_to(service) as (wire, channel):
        phone = through(app, channel)
        assert await is_active(phone, issued.access_token)
        wire.losing = True
        call = asyncio.ensure_future(refresh(phone, issued.refresh_token))
        lost = await wire.lost_until(_spelling(issued.refresh_token).search)
        wire.cut()
        assert (await failure(call)).code is grpc.StatusCode.UNAVAILABLE
    retried = await refresh(app, issued.refresh_token)
    assert retried.refresh_token.encode() == lost.group()
    assert all([await is_active(app, token) for token in both(retried)])
    assert (await refresh(app, retried.refresh_token)).refresh_token


POLICIES: dict[str, dict[str, Any]] = {
    "a window": {"retry_window": HOUR},
    "always": {"rotation": Rotation.ALWAYS, "retry_window": HOUR},
    "periodic": {"rotation": Rotation.PERIODIC, "rotation_interval": HOUR, "retry_window": HOUR},
    "selective": {"rotation": Rotation.SELECTIVE, "retry_window": HOUR},
    "never": {"rotation": Rotation.NEVER, "retry_window": HOUR},
    **{token_format.value: {"refresh_token_format": token_format} for token_format in (OPAQUE, JWT, STATELESS)},
}


@WHERE_A_ROW_COUNTS
async def test_case_14_no_change_of_policy_revives_what_was_consumed(
    service: Service, token_format: RefreshTokenFormat
) -> None:
    """Rotation, window or format may change as they like: a consumed token comes back as a reuse."""
    before = {"rotation": Rotation.GRACEFUL, "retry_window": 0, "refresh_token_format": token_format}
    app = await app_under(service, token_format)
    for change in POLICIES.values():
        await change_policy(service, "app", **before)
        first, second = await rotated(app, 1)
        await change_policy(service, "app", **change)
        assert await refused(refresh(app, first.refresh_token)) == REUSED, change
        assert await is_dead(app, second), change


@IN_EVERY_FORMAT
async def test_case_14_nor_what_was_revoked(service: Service, app: Caller, token_format: RefreshTokenFormat) -> None:
    """What Revoke has ended stays so; where nothing is consumed, it is this that must not come back."""
    before = {"rotation": Rotation.GRACEFUL, "refresh_token_format": token_format}
    for change in POLICIES.values():
        await change_policy(service, "app", **before)
        given = await rotated(app, 1)
        await revoke(app, token=given[1].refresh_token)
        await change_policy(service, "app", **change)
        assert await refused(refresh(app, given[1].refresh_token)) == REVOKED, change
        assert await is_dead(app, *given), change


@IN_EVERY_FORMAT
async def test_case_15_no_unrelated_row_is_changed(
    service: Service, app: Caller, token_format: RefreshTokenFormat
) -> None:
    """A refresh changes its session's own row, where there is one, and adds its audit event."""
    issued = [await issue(app, subject, device={"id": "phone"}) for subject in ("ada", "ada", "bob")]
    before = tables_of(service)
    await refresh(app, issued[0].refresh_token)
    after = tables_of(service)
    own = set() if token_format is STATELESS else {"sessions"}
    assert {name for name in before if before[name] != after[name]} == {"audit_events", "audit_chains"} | own
    changed = [row for row in after["sessions"] if row not in before["sessions"]]
    assert [issued[0].session_id in row for row in changed] == [True] * len(own)
    assert len(after["sessions"]) == len(before["sessions"]) == (0 if token_format is STATELESS else 3)
    assert len(after["audit_events"]) == len(before["audit_events"]) + 1


async def _none_is_active(caller: Caller, tokens: list[str]) -> bool:
    for start in range(0, len(tokens), BATCH):
        answer = await caller.BatchIntrospect(pb.BatchIntrospectRequest(tokens=tokens[start : start + BATCH]))
        assert len(answer.results) == len(tokens[start : start + BATCH])
        if any(result.active for result in answer.results):
            return False
    return True


@IN_EVERY_FORMAT
async def test_case_16_any_flipped_bit_makes_it_invalid(service: Service, app: Caller) -> None:
    """Every bit of every character is tried with Introspect, and one of each character with Refresh."""
    token = (await issue(app)).refresh_token
    flipped = [
        [token[:place] + chr(ord(old) ^ 1 << bit) + token[place + 1 :] for bit in range(7)]
        for place, old in enumerate(token)
    ]
    assert await _none_is_active(app, [forged for of_one in flipped for forged in of_one])
    before = tables_of(service)
    reasons = {await refused(refresh(app, of_one[place % 7])) for place, of_one in enumerate(flipped)}
    assert reasons == {INVALID}
    assert tables_of(service) == before
    assert (await refresh(app, token)).refresh_token


@IN_EVERY_FORMAT
async def test_case_16_any_truncation_or_extension_makes_it_invalid(app: Caller) -> None:
    """Cut short at either end, made longer, padded, re-cased, or put together of two tokens."""
    token, other = [(await issue(app)).refresh_token for _ in range(2)]
    forged = [token[:length] for length in range(1, len(token))] + [token[start:] for start in range(1, len(token))]
    forged += [token + more for more in ("A", "=", "==", ".", "\n", "\r\n", " ", "\0", ".A", token, "é")]
    forged += [less + token for less in ("A", ".", " ", "\n", "tsr1_")] + [token.swapcase(), token.lower()]
    forged += [token[:-22] + other[-22:], other[:-43] + token[-43:]]
    assert await _none_is_active(app, forged)
    for one in forged[:: max(1, len(forged) // 100)] + forged[-20:]:
        assert await refused(refresh(app, one)) == INVALID
    assert (await refresh(app, token)).refresh_token


@IN_EVERY_FORMAT
async def test_case_16_bits_to_spare_are_no_other_spelling(app: Caller) -> None:
    """Base64 that decodes to the same bytes is still another text."""
    token = (await issue(app)).refresh_token
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = [token[:-1] + one for one in last if _raw(token[:-1] + one) == _raw(token) and one != token[-1]]
    assert same
    for one in same:
        assert await refused(refresh(app, one)) == INVALID


def _raw(token: str) -> bytes:
    tail = token.rpartition(".")[2].removeprefix("tsr1_")
    return base64.urlsafe_b64decode(tail + "=" * (-len(tail) % 4))
