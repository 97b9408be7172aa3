"""Slowing down who causes many refusals, and nobody else."""

import asyncio
import gc
import math
import weakref
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Caller, Failure, failure, running_service
from tests.rpc.steps import issue, refresh, until
from tests.virtual_time import run
from tokensvc.config import load_settings
from tokensvc.domain.errors import Reason
from tokensvc.rpc.refusal_delay import AT_ONCE, DELAYED, MOST_A_SECOND, MOST_WAITING, RefusalDelay

GUESS = Reason.REFRESH_TOKEN_INVALID
FOREVER = math.inf


async def seconds(waiting: Coroutine[Any, Any, None]) -> float:
    """How long it takes."""
    began = asyncio.get_running_loop().time()
    await waiting
    return asyncio.get_running_loop().time() - began


async def many(delay: RefusalDelay, calls: int, caller: str = "evil", most: float = FOREVER) -> list[float]:
    """How long each of so many refusals in one moment waits."""
    return await asyncio.gather(*(seconds(delay.turn(caller, GUESS, most)) for _ in range(calls)))


async def attacked(calls: int, seconds: float) -> Counter[int]:
    """How many refusals are answered in each 20th of a second, when so many calls are always in flight."""
    delay, answered = RefusalDelay(1), Counter[int]()

    async def attack() -> None:
        while True:
            await delay.turn("evil", GUESS, FOREVER)
            answered[int(asyncio.get_running_loop().time() * 20)] += 1

    attacks = [asyncio.create_task(attack()) for _ in range(calls)]
    await asyncio.sleep(seconds)
    for task in attacks:
        task.cancel()
    await asyncio.gather(*attacks, return_exceptions=True)
    return answered


def test_a_few_refusals_are_answered_at_once() -> None:
    """A caller with few of them notices nothing, however long it goes on; the next one in that moment waits."""

    async def scenario() -> None:
        delay = RefusalDelay(1)
        for _ in range(3):
            assert await many(delay, AT_ONCE) == [0] * AT_ONCE
            assert await many(delay, 1) != [0]
            await asyncio.sleep(1)

    run(scenario())


def test_what_was_used_comes_back_little_by_little() -> None:
    """After a tenth of a second there are two more, not all at once in a burst that others would notice."""

    async def scenario() -> None:
        delay = RefusalDelay(1)
        await many(delay, AT_ONCE)
        await asyncio.sleep(0.1)
        assert (await many(delay, AT_ONCE)).count(0) == 2

    run(scenario())


def test_who_calls_again_and_again_gets_about_one_answer_a_second_for_each_call_in_flight() -> None:
    """64 calls in flight come to 64 a second, evenly spread: nobody else is held up by many at once."""
    answered = run(attacked(64, 21))
    a_second = sum(number for moment, number in answered.items() if 200 <= moment < 400) / 10
    assert 64 < a_second < 64 + 2 * AT_ONCE
    assert max(number for moment, number in answered.items() if moment >= 200) <= AT_ONCE + 10


@pytest.mark.parametrize("calls", [450, 1000])
def test_however_many_of_a_caller_wait_so_many_are_answered_in_a_second(calls: int) -> None:
    """A thousand calls in flight take no more of the server's time than three hundred."""
    answered = run(attacked(calls, 60))
    a_second = sum(number for moment, number in answered.items() if 600 <= moment < 1200) / 30
    assert MOST_A_SECOND * 0.8 < a_second < MOST_A_SECOND * 1.2 + AT_ONCE


def test_none_waits_for_ever() -> None:
    """Where very many of a caller wait, each waits for seven and a half seconds at most."""
    assert 7 < max(run(many(RefusalDelay(1), 5000))) <= 7.5


def test_the_many_of_one_caller_make_nobody_else_wait_longer() -> None:
    """Another one's refusals wait for a second and a half at most, as they do without."""

    async def scenario() -> list[float]:
        delay = RefusalDelay(1)
        attack = asyncio.create_task(many(delay, 5000))
        await asyncio.sleep(0.1)
        waits = await many(delay, AT_ONCE + 50, "bff")
        await attack
        return waits

    assert max(run(scenario())) <= 1.5


def test_other_callers_do_not_wait() -> None:
    """Each has its own count; strangers together have one."""

    async def scenario() -> None:
        delay = RefusalDelay(1)
        attack = asyncio.create_task(many(delay, 1000))
        await asyncio.sleep(0.1)
        assert await many(delay, 1, "bff") == [0]
        assert await many(delay, 1, "") == [0]
        await attack

    run(scenario())


@pytest.mark.parametrize("reason", sorted(set(Reason) - DELAYED))
def test_what_is_no_guess_never_waits(reason: Reason) -> None:
    """An overloaded or broken service does not make it worse, and scripts may ask for what is not there."""

    async def scenario() -> None:
        delay = RefusalDelay(1)
        await many(delay, 1000)
        assert await seconds(delay.turn("evil", reason, FOREVER)) == 0

    run(scenario())


def test_young_objects_are_collected_while_many_wait() -> None:
    """The collector does not let those of hundreds of calls come together, which would hold up everybody at once."""
    with no_collector():
        unreachable = Unreachable()
        is_there = weakref.ref(unreachable)
        del unreachable
        assert is_there()
        run(many(RefusalDelay(1), AT_ONCE + 100))
        assert not is_there()


def test_objects_of_middle_age_are_collected_too_if_it_lasts() -> None:
    """What has outlived a collection does not stay until the attack is over."""
    with no_collector():
        unreachable = Unreachable()
        gc.collect(0)
        is_there = weakref.ref(unreachable)
        del unreachable
        run(many(RefusalDelay(1), AT_ONCE + 100))
        assert is_there()
        for _ in range(1_001):
            gc.collect(0)
        run(many(RefusalDelay(1), AT_ONCE + 100))
        assert not is_there()


@contextmanager
def no_collector() -> Iterator[None]:
    """The garbage collector does not come by itself."""
    gc.disable()
    try:
        gc.collect(1)  # it counts from here
        yield
    finally:
        gc.enable()


class Unreachable:
    """What only the collector finds once it is dropped."""

    def __init__(self) -> None:
        self.itself = self


def test_nobody_waits_longer_than_it_may() -> None:
    """The answer comes in time for the call's deadline, also where no time is left."""

    async def scenario() -> None:
        delay = RefusalDelay(1)
        assert 0.08 <= max(await many(delay, 100, most=0.099)) <= 0.099
        assert max(await many(delay, 100, most=-1)) == 0

    run(scenario())


def test_too_many_do_not_wait() -> None:
    """Those who wait take memory: so there is a limit, beyond which answers are sent at once."""

    async def scenario() -> None:
        waits = await many(RefusalDelay(1), MOST_WAITING + AT_ONCE + 100)
        assert waits.count(0) == AT_ONCE + 100

    run(scenario())


def test_who_has_gone_takes_no_place() -> None:
    """A call that is cancelled while it waits is forgotten."""

    async def scenario() -> None:
        delay = RefusalDelay(1)
        attack = asyncio.create_task(many(delay, 100))
        await asyncio.sleep(0.1)
        attack.cancel()
        await asyncio.wait([attack])
        assert delay.waiting == 0

    run(scenario())


def test_at_the_end_all_are_answered() -> None:
    """Those who wait go on, and nobody waits any more."""

    async def scenario() -> None:
        delay = RefusalDelay(1)
        attack = asyncio.create_task(many(delay, 100))
        await asyncio.sleep(0.1)
        delay.stop()
        assert max(await attack) == pytest.approx(0.1)
        assert max(await many(delay, 100)) == 0

    run(scenario())


def test_zero_turns_it_off() -> None:
    """Then nobody waits."""

    async def scenario() -> None:
        assert set(await many(RefusalDelay(0), 100)) == {0}

    run(scenario())


def test_it_is_on_unless_it_is_turned_off() -> None:
    """The setting's default is a second."""
    assert load_settings({}).refusal_delay == 1


async def test_a_flood_of_bad_tokens_waits_and_good_calls_of_the_caller_do_not(tmp_path: Path) -> None:
    """Over real gRPC: while its refusals wait, a caller's other calls are answered; a deadline hastens its refusal."""
    async with running_service(tmp_path, memory=True, refusal_delay=10) as service:
        bff = await service.caller("bff")
        guard, calls = service.server._guard, flood(bff)
        await until(lambda: guard._delay.waiting == len(calls) - answered(calls))
        stranger = asyncio.ensure_future(failure(refresh(Caller("bff", "wrong", service.channel), "x")))
        assert (await issue(bff)).access_token
        assert (await stranger).reason == Reason.CALLER_UNAUTHENTICATED
        hastened = await asyncio.gather(*flood(bff, seconds=2))
        assert {refused.reason for refused in hastened} == {GUESS}
        assert AT_ONCE <= answered(calls) < len(calls)
        await until(lambda: guard.under_way == guard._delay.waiting)
        for call in calls:
            call.cancel()


def flood(caller: Caller, seconds: float = 60) -> list[asyncio.Task[Failure]]:
    """Bad calls in one moment, far more than are answered at once, with so many seconds each."""
    patient = caller.within(seconds)
    return [asyncio.ensure_future(failure(refresh(patient, "tsr1_forged"))) for _ in range(10 * AT_ONCE)]


def answered(calls: list[asyncio.Task[Failure]]) -> int:
    """How many of `calls` are."""
    return sum(call.done() for call in calls)


async def test_a_stop_does_not_wait_for_refusals(tmp_path: Path) -> None:
    """Those that wait are answered when the server stops."""
    async with running_service(tmp_path, memory=True, refusal_delay=10) as service:
        guard, calls = service.server._guard, flood(await service.caller("bff"))
        await until(lambda: guard._delay.waiting == len(calls) - answered(calls))
        await until(lambda: guard.under_way == guard._delay.waiting)
        assert guard.under_way
        await asyncio.wait_for(service.server.stop(grace=600), timeout=30)
        assert {refused.reason for refused in await asyncio.gather(*calls)} == {GUESS}
        await until(lambda: not guard.under_way)
