"""Pacing: RPCs go on together while that pays, and alone while it does not."""

import asyncio
import weakref
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import pytest

from tests.virtual_time import run
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.rpc.pacing import PaceCounts, Pacer

TICK = 0.0015


T = TypeVar("T")


async def nothing() -> None:
    """What these callers need."""


def same(found: T) -> T:
    """What these callers do with it."""
    return found


async def caller(pacer: Pacer[None], calls: int, pause: float, turns: list[float]) -> None:
    """Call again and again, with a pause after each answer."""
    loop = asyncio.get_running_loop()
    for _ in range(calls):
        await pacer.turn(same)
        turns.append(loop.time())
        await asyncio.sleep(pause)


def test_a_quiet_server_never_waits() -> None:
    """Calls that come now and then go on at once."""

    async def scenario() -> tuple[float, list[float]]:
        turns: list[float] = []
        await caller(Pacer(TICK, nothing), calls=50, pause=0.01, turns=turns)
        return asyncio.get_running_loop().time(), turns

    elapsed, turns = run(scenario())
    assert len(turns) == 50
    assert round(elapsed, 6) == 0.5


def test_a_fast_lone_caller_waits_for_few_of_its_calls() -> None:
    """One caller that calls without a pause is tried on a tick now and then; nearly all of its calls go on at once."""

    async def scenario() -> float:
        await caller(Pacer(TICK, nothing), calls=10_000, pause=0.00015, turns=[])
        return asyncio.get_running_loop().time()

    assert run(scenario()) < 1.02 * 10_000 * 0.00015


def test_under_load_calls_go_on_together() -> None:
    """64 callers at once take their turns in groups, at moments that lie a tick apart."""

    async def scenario() -> list[float]:
        turns: list[float] = []
        pacer = Pacer(TICK, nothing)
        await asyncio.gather(*(caller(pacer, 200, 0.0002, turns) for _ in range(64)))
        return turns

    turns = run(scenario())
    groups = Counter(moment for moment in turns if 0.1 < moment < 0.2)  # the ticking has begun and goes on
    assert len(groups) > 50
    assert set(groups.values()) == {64}
    assert min(later - earlier for earlier, later in pairwise(sorted(groups))) >= TICK


def test_a_try_begins_with_sixteen_in_a_hundredth_of_a_second() -> None:
    """Fifteen go on at once: as many come in a burst where next to nothing is to be gained."""

    async def scenario(burst: int) -> int:
        pacer = Pacer(TICK, nothing)
        await asyncio.gather(*(pacer.turn(same) for _ in range(burst)))
        return pacer.counts.paced

    assert [run(scenario(burst)) for burst in (15, 16)] == [0, 1]


def test_few_callers_are_left_alone_after_a_try() -> None:
    """Eight fast callers are too few to gain anything: after a short try now and then they go on at once."""

    async def scenario() -> float:
        pacer = Pacer(TICK, nothing)
        await asyncio.gather(*(caller(pacer, 10_000, 0.001, []) for _ in range(8)))
        return asyncio.get_running_loop().time()

    assert run(scenario()) < 1.1 * 10


async def ticks(pacer: Pacer[None], seconds: float) -> int:
    """How many ticks there are for a fast lone caller in that time."""
    before, until = pacer.counts.ticks, asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        await caller(pacer, 1, 0.0001, [])
    return pacer.counts.ticks - before


def test_tries_that_do_not_pay_become_rarer() -> None:
    """At first there are three in half a second, at last one in 0.4, each of two ticks; so it stays."""

    async def scenario() -> tuple[int, int, int]:
        pacer = Pacer(TICK, nothing)
        return await ticks(pacer, 0.5), await ticks(pacer, 40), await ticks(pacer, 40)

    first, later, last = run(scenario())
    assert first == 3 * 2
    assert 2 * 95 < later <= 2 * 100
    assert last == pytest.approx(later, abs=2)


def test_after_a_try_that_has_paid_it_tries_again_soon() -> None:
    """Who was under load is tried after 0.1 s and after 0.2 more, as at the beginning."""

    async def scenario() -> int:
        pacer = Pacer(TICK, nothing)
        await ticks(pacer, 40)
        await asyncio.gather(*(caller(pacer, 500, 0.002, []) for _ in range(64)))
        await ticks(pacer, 0.1)  # until it sees that nobody else is left
        return await ticks(pacer, 0.34)

    assert run(scenario()) == 2 * 2


def test_zero_turns_it_off() -> None:
    """Without a tick nobody ever waits."""

    async def scenario() -> float:
        pacer = Pacer(0, nothing)
        await asyncio.gather(*(caller(pacer, 100, 0, []) for _ in range(64)))
        return asyncio.get_running_loop().time()

    assert run(scenario()) == 0


def test_a_cancelled_caller_takes_nobody_with_it() -> None:
    """Of two that wait for a tick one is cancelled; the other goes on."""

    async def scenario() -> list[str]:
        pacer = Pacer(TICK, nothing, busy=1)
        first, second = (asyncio.ensure_future(pacer.turn(same)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first, second])
        return ["cancelled" if task.cancelled() else "done" for task in (first, second)]

    assert run(scenario()) == ["cancelled", "done"]


def test_what_was_done_is_counted() -> None:
    """How many RPCs passed, and how many of them together on how many ticks."""

    async def load() -> PaceCounts:
        pacer = Pacer(TICK, nothing)
        await asyncio.gather(*(pacer.turn(same) for _ in range(30)))
        return pacer.counts

    counts = run(load())
    assert (counts.rpcs, counts.ticks) == (30, 1)
    assert 0 < counts.paced < 30


class Looks:
    """Counts how often it was asked, and fails from then on where the test says."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None

    async def look(self) -> int:
        """Which look this was."""
        await asyncio.sleep(0)
        self.count += 1
        if self.error:
            raise self.error
        return self.count


def test_what_all_need_is_asked_for_once() -> None:
    """Those who go on together get one answer, asked for when all of them had come; one by itself gets its own."""

    async def scenario() -> tuple[int, list[int]]:
        looks = Looks()
        pacer = Pacer(TICK, looks.look, busy=2)
        return await pacer.turn(same), await asyncio.gather(*(pacer.turn(same) for _ in range(30)))

    assert run(scenario()) == (1, [2] * 30)


def test_a_refusal_is_each_callers_own() -> None:
    """When what all need cannot be had, each is told so by an error of its own; the next ones are served."""

    async def scenario() -> tuple[list[int | BaseException], int]:
        looks = Looks()
        looks.error = RefusedError(Reason.STORE_UNAVAILABLE, "gone")
        pacer = Pacer(TICK, looks.look, busy=1)
        refused = await asyncio.gather(*(pacer.turn(same) for _ in range(30)), return_exceptions=True)
        looks.error = None
        return refused, await pacer.turn(same)

    refused, after = run(scenario())
    assert {str(error) for error in refused} == {"gone"}
    assert len({id(error) for error in refused}) == 30
    assert after == 2


@pytest.mark.parametrize(
    ("begin", "error"), [(lambda found: found / 0, ZeroDivisionError), (lambda _found: next(iter(())), RuntimeError)]
)
def test_what_goes_wrong_with_one_is_its_own(begin: Callable[[int], float], error: type[Exception]) -> None:
    """Of those who go on together one fails: it alone is told so, and the others have their answers."""

    async def scenario() -> list[float | BaseException]:
        pacer = Pacer(TICK, Looks().look, busy=1)
        return await asyncio.gather(*(pacer.turn(one) for one in (same, begin, same)), return_exceptions=True)

    first, second, third = run(scenario())
    assert (first, third) == (1, 1)
    assert isinstance(second, error)


class Request:
    """What a caller has waited with."""

    def begin(self, _found: int) -> None:
        """Need nothing more."""


def refuse(_found: int) -> None:
    """Refuse."""
    raise RefusedError(Reason.INVALID_REQUEST, "no")


def test_an_error_keeps_nothing_of_the_others() -> None:
    """The error of one may be kept for a while: what the others waited with must not be kept with it."""

    async def scenario() -> tuple[BaseException, list[object]]:
        pacer = Pacer(TICK, Looks().look, busy=1)
        requests = [Request() for _ in range(3)]
        alive = [weakref.ref(request) for request in requests]
        begins = [requests[0].begin, refuse, requests[1].begin, requests[2].begin]
        requests.clear()
        turns = asyncio.gather(*map(pacer.turn, begins), return_exceptions=True)
        begins.clear()
        error = (await turns)[1]
        assert isinstance(error, RefusedError)
        del turns
        await asyncio.sleep(1)
        return error, [request() for request in alive]

    error, kept = run(scenario())
    assert error.__traceback__ is not None
    assert kept == [None] * 3


def test_nothing_is_done_for_who_has_gone() -> None:
    """A caller that was cancelled while it waited for the tick costs nothing more."""

    async def scenario() -> list[int]:
        done: list[int] = []
        pacer = Pacer(TICK, Looks().look, busy=1)
        calls = [asyncio.ensure_future(pacer.turn(done.append)) for _ in range(3)]
        await asyncio.sleep(0)
        calls[1].cancel()
        await asyncio.wait(calls)
        return done

    assert run(scenario()) == [1, 1]
