"""When a service's own token is issued, renewed and dropped, alike for threads and for asyncio."""

import asyncio
import time

import pytest
from tokensvc_client import AsyncTokenClient, DeadlineExceededError, PermissionDeniedError, UnavailableError
from tokensvc_client.service_token import AsyncServiceToken
from tokensvc_client.testing import FakeTokenService

from tests.client.service_token.conftest import ME, ORDER, Source
from tests.client.waiting import told

LIFE = 300  # seconds: the fake's usual lifetime of an access token


def issued(fake: FakeTokenService) -> int:
    """How often Issue was called."""
    return sum(call.method == "Issue" for call in fake.requests)


async def until_other_than(first: str, source: Source) -> None:
    """Wait until the source has another token."""
    limit = time.monotonic() + 10
    while await told(source.token) == first:
        assert time.monotonic() < limit
        await asyncio.sleep(0.005)  # it is renewed behind us, and nobody is told


async def test_a_token_is_issued_once_and_kept(fake: FakeTokenService, source: Source) -> None:
    """It is an access token alone, for what the service has said."""
    token = await told(source.token)
    assert await told(source.token) == token
    (call,) = fake.requests
    assert call.request.access_only
    assert (call.request.subject, list(call.request.audiences), list(call.request.scopes)) == (
        "orders",
        ["shop-api"],
        ["read"],
    )


async def test_all_who_need_the_first_token_share_one_call(fake: FakeTokenService, source: Source) -> None:
    """However many ask before there is one."""
    held = fake.delay("Issue")
    asking = [asyncio.create_task(told(source.token)) for _ in range(20)]
    await asyncio.to_thread(held.wait_for_call)
    held.release()
    assert len(set(await asyncio.gather(*asking))) == 1
    assert issued(fake) == 1


async def test_it_is_renewed_ahead_of_its_end_while_the_old_one_is_used(fake: FakeTokenService, source: Source) -> None:
    """At four fifths of its life one call is made for the next one, and nobody waits for it."""
    first = await told(source.token)
    fake.clock.advance(LIFE * 0.79)
    assert await told(source.token) == first
    assert issued(fake) == 1
    fake.clock.advance(LIFE * 0.02)
    held = fake.delay("Issue")
    assert {await told(source.token) for _ in range(5)} == {first}
    await asyncio.to_thread(held.wait_for_call)
    held.release()
    await until_other_than(first, source)
    assert issued(fake) == 2


async def test_what_is_about_to_expire_is_not_used(fake: FakeTokenService, source: Source) -> None:
    """What is sent has to arrive, so that in the last part of its life a token is waited for."""
    first = await told(source.token)
    fake.clock.advance(LIFE * 0.96)
    assert await told(source.token) != first


async def test_without_a_token_the_failure_is_told(fake: FakeTokenService, source: Source) -> None:
    """Who has no token left is told why there is none, from memory for a moment; who asks after that tries again."""
    fake.fail_next("Issue", "CALLER_NOT_PERMITTED")
    for _ in range(20):
        with pytest.raises(PermissionDeniedError):
            await told(source.token)
    assert issued(fake) == 1
    fake.clock.advance(1)
    assert await told(source.token)


async def test_a_lost_answer_is_asked_for_again(fake: FakeTokenService, source: Source) -> None:
    """Nothing is kept for an access token, so another one does no harm."""
    fake.lose_next("Issue")
    assert await told(source.token)


async def test_who_gives_up_leaves_the_call_to_the_others(fake: FakeTokenService, source: Source) -> None:
    """The one who began it waits no longer than it wants to; the answer is there for the next."""
    held = fake.delay("Issue")
    with pytest.raises(DeadlineExceededError):
        await told(source.token, timeout=0.05)
    await asyncio.to_thread(held.wait_for_call)
    held.release()
    assert await told(source.token)
    assert issued(fake) == 1


async def test_a_task_that_is_cancelled_leaves_the_call_to_the_others(fake: FakeTokenService) -> None:
    """Also when it was the one that began it."""
    held = fake.delay("Issue")
    async with AsyncTokenClient(fake.target, credentials=ME) as client:
        source = AsyncServiceToken(client, **ORDER)
        first = asyncio.create_task(source.token())
        await asyncio.to_thread(held.wait_for_call)
        other = asyncio.create_task(source.token())
        first.cancel()
        await asyncio.wait([first])
        held.release()
        assert first.cancelled()
        assert await other
    assert issued(fake) == 1


async def test_a_token_that_was_refused_is_replaced_once_for_all(fake: FakeTokenService, source: Source) -> None:
    """Whoever says late that the old one was refused does not drop the new one."""
    first = await told(source.token)
    assert source.drop(first)
    second = await told(source.token)
    assert source.drop(first)
    assert await told(source.token) == second != first


async def test_who_refuses_the_next_one_too_is_not_given_a_third(fake: FakeTokenService, source: Source) -> None:
    """Else a service that refuses everything would have a token issued with each call; after a while it may."""
    assert source.drop(await told(source.token))
    second = await told(source.token)
    assert not source.drop(second)
    assert await told(source.token) == second
    fake.clock.advance(11)
    assert source.drop(second)


async def test_the_service_that_cannot_be_reached_is_told_of(fake: FakeTokenService, source: Source) -> None:
    """No token, and an error that says why."""
    fake.fail_next("Issue", "STORE_UNAVAILABLE", times=100)
    with pytest.raises(UnavailableError):
        await told(source.token, timeout=10)
