"""A Refresh whose caller is cut off or gives up is done or not done, and can always be repeated."""

import asyncio
import random
import re

import grpc
import pytest

from tests.harness import Caller, Service, failure
from tests.rpc.faults import WaitingStore, server_over, through, wire_to
from tests.rpc.steps import is_active, issue, refresh, sealed
from tests.rpc.tables import rows_of

_REFRESH_TOKEN = re.compile(rb"tsr1_[A-Za-z0-9_-]{50}")


def _generations(service: Service) -> list[int]:
    return [row["generation"] for row in rows_of(service, "sessions")]


def _successor(service: Service, token: str) -> str:
    """What the first rotation of `token` leads to: it is derived, so it is known beforehand."""
    opened = service.keys.refresh_tokens.open(token)
    assert opened is not None
    return sealed(service, opened.handle, opened.generation + 1)


async def test_a_lost_response_is_answered_again_with_the_same_successor(service: Service, bff: Caller) -> None:
    """When the connection breaks after the commit, the retry gets the very refresh token that was lost."""
    issued = await issue(bff)
    async with wire_to(service) as (wire, channel):
        phone = through(bff, channel)
        assert await is_active(phone, issued.access_token)
        wire.losing = True
        call = asyncio.ensure_future(refresh(phone, issued.refresh_token))
        lost = await wire.lost_until(_REFRESH_TOKEN.search)
        assert _generations(service) == [1]
        wire.cut()
        assert (await failure(call)).code is grpc.StatusCode.UNAVAILABLE
    retried = await refresh(bff, issued.refresh_token)
    assert retried.refresh_token.encode() == lost.group()
    assert await is_active(bff, retried.access_token)
    assert (await refresh(bff, retried.refresh_token)).refresh_token


async def test_a_lost_issue_with_a_key_is_answered_again_with_the_same_session(service: Service, bff: Caller) -> None:
    """When the connection breaks after an Issue, its repetition with the key gets the very refresh token again."""
    async with wire_to(service) as (wire, channel):
        phone = through(bff, channel)
        await is_active(phone, "warm the connection up")
        wire.losing = True
        call = asyncio.ensure_future(issue(phone, idempotency_key="login-4711-attempt-1"))
        lost = await wire.lost_until(_REFRESH_TOKEN.search)
        wire.cut()
        assert (await failure(call)).code is grpc.StatusCode.UNAVAILABLE
    repeated = await issue(bff, idempotency_key="login-4711-attempt-1")
    assert repeated.refresh_token.encode() == lost.group()
    assert _generations(service) == [0]


async def _cancelled_at(service: Service, caller: Caller, token: str, point: str) -> None:
    """Refresh, and give up when the server has reached `point` of the commit; return when its handler is gone."""
    store = WaitingStore(service.store, point)
    async with server_over(service, store) as channel:
        call = asyncio.ensure_future(refresh(through(caller, channel), token))
        await store.reached.wait()
        call.cancel()
        await store.left.wait()
        store.go_on()


async def test_a_refresh_cancelled_before_its_commit_has_not_happened(service: Service, bff: Caller) -> None:
    """A caller that gives up before the write finds its token unused."""
    issued = await issue(bff)
    await _cancelled_at(service, bff, issued.refresh_token, "before")
    assert _generations(service) == [0]
    assert (await refresh(bff, issued.refresh_token)).refresh_token == _successor(service, issued.refresh_token)


@pytest.mark.parametrize("point", ["within", "after"])
async def test_a_refresh_cancelled_from_its_commit_on_has_happened(service: Service, bff: Caller, point: str) -> None:
    """A caller that gives up in the middle of the write, or after it, finds it done, and the retry is answered."""
    issued = await issue(bff)
    await _cancelled_at(service, bff, issued.refresh_token, point)
    await issue(bff, "someone else")  # its commit stands in line behind the one that was left
    assert sorted(_generations(service)) == [0, 1]
    retried = await refresh(bff, issued.refresh_token)
    assert retried.refresh_token == _successor(service, issued.refresh_token)
    assert sorted(_generations(service)) == [0, 1]


async def test_refreshes_cancelled_anywhere_are_done_or_not_done(service: Service, bff: Caller) -> None:
    """Of many refreshes the unanswered are cancelled wherever they stand: each token still leads to its successor."""
    chance = random.Random(46)
    tokens = [(await issue(bff, f"user-{number}")).refresh_token for number in range(24)]
    for _ in range(8):
        calls = [asyncio.ensure_future(refresh(bff, token)) for token in tokens]
        enough = chance.randrange(len(calls))
        while len(pending := [call for call in calls if not call.done()]) > enough:
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        successors = [_successor(service, token) for token in tokens]
        assert [(await refresh(bff, token)).refresh_token for token in tokens] == successors
        tokens = successors
    assert _generations(service) == [8] * 24
