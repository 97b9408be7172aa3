"""How refreshes are shared, kept and proven, alike for threads and for asyncio."""

import asyncio
import threading
from datetime import timedelta

import pytest
from tokensvc_client import AsyncTokenClient, ClientContext, DpopProof, TokenClient, Tokens
from tokensvc_client.relay import Action, AsyncRefreshRelay, RefreshRefusedError, RefreshRelay
from tokensvc_client.testing import FakeTokenService

from tests.client.relay.conftest import ME, Relay
from tests.client.waiting import told

PROOF = DpopProof("proof", "POST", "https://bff.test/token")


def phone(fake: FakeTokenService, **fields: object) -> str:
    """A session; answers its refresh token."""
    return fake.issue("ada", **fields).refresh_token


def refreshes(fake: FakeTokenService) -> int:
    """How often Refresh was called."""
    return sum(call.method == "Refresh" for call in fake.requests)


async def test_a_thousand_tasks_share_one_call(fake: FakeTokenService) -> None:
    """All of them get the same new token."""
    async with AsyncTokenClient(fake.target, credentials=ME) as client:
        relay, token = AsyncRefreshRelay(client), phone(fake)
        answers = await asyncio.gather(*(relay.refresh(token) for _ in range(1000)))
    assert len({answer.refresh_token for answer in answers} - {token}) == 1
    assert len({answer.access_token for answer in answers}) == 1
    assert refreshes(fake) == 1


def test_a_hundred_threads_share_one_call(fake: FakeTokenService) -> None:
    """They begin together, and all of them get the same new token."""
    answers: list[Tokens] = []
    together = threading.Barrier(100)
    with TokenClient(fake.target, credentials=ME) as client:
        relay, token = RefreshRelay(client), phone(fake)

        def refresh() -> None:
            together.wait(30)
            answers.append(relay.refresh(token))

        threads = [threading.Thread(target=refresh) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(answers) == 100
    assert len({answer.access_token for answer in answers}) == 1
    assert refreshes(fake) == 1


async def test_different_sessions_have_calls_of_their_own(fake: FakeTokenService, relay: Relay) -> None:
    """None waits for another."""
    one, other = phone(fake), phone(fake)
    held = fake.delay("Refresh")
    waiting = asyncio.create_task(told(relay.refresh, one))
    await asyncio.to_thread(held.wait_for_call)
    assert (await told(relay.refresh, other)).refresh_token
    held.release()
    assert (await waiting).refresh_token


async def test_who_asks_from_elsewhere_is_judged_by_the_service(fake: FakeTokenService, relay: Relay) -> None:
    """A session may be bound to a device or a network, so that an answer is for those who ask for the very same."""
    token = phone(fake)
    for device_id, ip in (("a", "192.0.2.1"), ("b", "192.0.2.1"), ("a", "198.51.100.1"), ("a", "192.0.2.1")):
        await told(relay.refresh, token, device_id=device_id, context=ClientContext(ip=ip))
    assert refreshes(fake) == 3


async def test_an_answer_is_kept_for_who_has_missed_it(fake: FakeTokenService, relay: Relay) -> None:
    """Who asks again has the same tokens, with the lifetimes that are left; after a while the service is asked."""
    token = phone(fake)
    first = await told(relay.refresh, token)
    fake.clock.advance(9)
    again = await told(relay.refresh, token)
    assert (again.access_token, again.refresh_token) == (first.access_token, first.refresh_token)
    assert first.expires_in - again.expires_in == timedelta(seconds=9)
    assert refreshes(fake) == 1
    fake.clock.advance(1)
    assert (await told(relay.refresh, token)).refresh_token == first.refresh_token
    assert refreshes(fake) == 2


async def test_a_token_that_is_over_is_not_answered(fake: FakeTokenService, relay: Relay) -> None:
    """Not even while its answer is kept."""
    token = phone(fake, access_ttl={"seconds": 5})
    first = await told(relay.refresh, token)
    fake.clock.advance(5)
    assert (await told(relay.refresh, token)).access_token != first.access_token


async def test_reuse_is_caught_as_soon_as_the_successor_is_used(fake: FakeTokenService, relay: Relay) -> None:
    """What is kept does not stand between a stolen token and the service that would know it."""
    stolen = phone(fake)
    successor = (await told(relay.refresh, stolen)).refresh_token
    await told(relay.refresh, successor)
    with pytest.raises(RefreshRefusedError) as refused:
        await told(relay.refresh, stolen)
    assert refused.value.action is Action.ALARM


async def test_failures_are_not_kept(fake: FakeTokenService, relay: Relay) -> None:
    """Who comes again is answered anew."""
    token = phone(fake)
    fake.fail_next("Refresh", "OVERLOADED", retry_after=3)
    with pytest.raises(RefreshRefusedError) as refused:
        await told(relay.refresh, token)
    assert (refused.value.action, refused.value.retry_after) == (Action.RETRY, timedelta(seconds=3))
    assert (await told(relay.refresh, token)).refresh_token


async def test_half_a_character_is_refused(fake: FakeTokenService, relay: Relay) -> None:
    """JSON may bring such a text. As a refresh token it is none; in another field it ends no session."""
    with pytest.raises(RefreshRefusedError) as refused:
        await told(relay.refresh, "\ud800")
    assert (refused.value.action, str(refused.value.__cause__)) == (
        Action.LOG_IN_AGAIN,
        "a text is no Unicode (INVALID_ARGUMENT refresh_token)",
    )
    with pytest.raises(RefreshRefusedError) as refused:
        await told(relay.refresh, phone(fake), device_id="\ud800")
    assert refused.value.action is Action.RETRY


async def test_a_lost_answer_is_fetched_again(fake: FakeTokenService, relay: Relay) -> None:
    """The service answers alike, so the phone does not notice."""
    token = phone(fake)
    fake.lose_next("Refresh")
    assert (await told(relay.refresh, token)).refresh_token
    assert refreshes(fake) == 2


async def test_who_gives_up_leaves_the_call_to_the_others(fake: FakeTokenService, relay: Relay) -> None:
    """The one who began it may come again, and finds what has come of it."""
    token = phone(fake)
    held = fake.delay("Refresh")
    with pytest.raises(RefreshRefusedError) as refused:
        await told(relay.refresh, token, timeout=0.05)
    assert refused.value.action is Action.RETRY
    waiting = asyncio.create_task(told(relay.refresh, token))
    await asyncio.to_thread(held.wait_for_call)
    held.release()
    assert (await waiting).refresh_token
    assert refreshes(fake) == 1


async def test_a_task_that_is_cancelled_leaves_the_call_to_the_others(fake: FakeTokenService) -> None:
    """Also when it was the one that began it."""
    held = fake.delay("Refresh")
    async with AsyncTokenClient(fake.target, credentials=ME) as client:
        relay, token = AsyncRefreshRelay(client), phone(fake)
        first = asyncio.create_task(relay.refresh(token))
        await asyncio.to_thread(held.wait_for_call)
        other = asyncio.create_task(relay.refresh(token))
        first.cancel()
        await asyncio.wait([first])
        held.release()
        assert first.cancelled()
        assert (await other).refresh_token
    assert refreshes(fake) == 1


async def test_each_proof_is_a_call_of_its_own(fake: FakeTokenService, relay: Relay) -> None:
    """A proof is passed on as it came, and nothing that was answered to another one is given for it."""
    token = phone(fake, confirmation={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})
    for text in ("one", "two"):
        await told(relay.refresh, token, dpop=DpopProof(text, PROOF.method, PROOF.uri))
    assert [(call.request.dpop.proof, call.request.dpop.uri) for call in fake.requests] == [
        ("one", "https://bff.test/token"),
        ("two", "https://bff.test/token"),
    ]


async def test_a_proof_is_not_sent_twice(fake: FakeTokenService, relay: Relay) -> None:
    """It works once: after a lost answer the phone comes again with another one."""
    token = phone(fake, confirmation={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})
    fake.lose_next("Refresh")
    with pytest.raises(RefreshRefusedError) as refused:
        await told(relay.refresh, token, dpop=PROOF)
    assert refused.value.action is Action.RETRY
    assert refreshes(fake) == 1


@pytest.mark.parametrize("kind", ["threads", "asyncio"])
async def test_what_is_under_way_is_bounded(fake: FakeTokenService, kind: str) -> None:
    """One too many is told to come again, and the others are not touched."""
    with TokenClient(fake.target, credentials=ME) as client:
        async with AsyncTokenClient(fake.target, credentials=ME) as async_client:
            relay: Relay = RefreshRelay(client, most=1)
            if kind == "asyncio":
                relay = AsyncRefreshRelay(async_client, most=1)
            held = fake.delay("Refresh")
            waiting = asyncio.create_task(told(relay.refresh, phone(fake)))
            await asyncio.to_thread(held.wait_for_call)
            with pytest.raises(RefreshRefusedError) as refused:
                await told(relay.refresh, phone(fake))
            held.release()
            assert refused.value.action is Action.RETRY
            assert (await waiting).refresh_token
            assert refreshes(fake) == 1
