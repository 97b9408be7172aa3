"""Waiting a little for others, in virtual time."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from tests.virtual_time import run
from tokensvc.gathering import Gathering

STEP = 0.001


async def _round(gathering: Gathering, arrivals: Sequence[float]) -> tuple[int, float]:
    """Gather while something arrives at each of these moments; answer how much came, and how many steps it took."""
    come: list[float] = []
    loop = asyncio.get_running_loop()
    began = loop.time()
    waiting = [loop.call_later(moment, come.append, moment) for moment in arrivals]
    await gathering.more(lambda: len(come))
    for handle in waiting:
        handle.cancel()
    return len(come), round((loop.time() - began) / STEP, 6)


async def _rounds(*rounds: Sequence[float]) -> list[tuple[int, float]]:
    gathering = Gathering(STEP)
    return [await _round(gathering, arrivals) for arrivals in rounds]


@pytest.mark.parametrize(
    ("arrivals", "came", "steps"),
    [
        pytest.param([], 0, 2, id="nothing comes"),
        pytest.param([0.0005] * 3, 3, 3, id="nothing more comes"),
        pytest.param([0.0015] * 3, 3, 4, id="a quiet step may be followed by more"),
        pytest.param([0.0005, 0.0005, 0.0005, 0.0035], 3, 3, id="one comes too late"),
        pytest.param([step * STEP + 0.0005 for step in range(99)], 2, 2, id="few in a step are as good as none"),
        pytest.param([step * STEP + 0.0005 for step in range(99)] * 2, 8, 4, id="they come for ever"),
        pytest.param([0.0005] * 70, 70, 1, id="more than plenty"),
    ],
)
def test_the_first_time_it_hopes_for_eight(arrivals: Sequence[float], came: int, steps: float) -> None:
    """It returns after two steps that brought few, after the four that eight need, or when they are there."""
    assert run(_rounds(arrivals)) == [(came, steps)]


def test_a_search_hopes_for_twice_as_many() -> None:
    """While more come it searches every fourth time, for up to sixteen steps."""
    endless = [step * STEP + 0.0005 for step in range(99)] * 2
    assert run(_rounds(*[endless] * 13))[::4] == [(8, 4), (16, 8), (32, 16), (32, 16)]


def test_afterwards_it_waits_for_as_many() -> None:
    """When all who came the last time are there it does not look for more."""
    assert run(_rounds([0.0005] * 3, [0.0005] * 3, [0.0005, 0.0005, 0.0015]))[1:] == [(3, 1), (3, 2)]


def test_it_is_patient_where_many_are_expected() -> None:
    """Those who are late by five steps are waited for, those who are gone for six."""
    late, gone = [*[0.0005] * 10, *[0.0055] * 10], [0.0005] * 10
    assert run(_rounds([0.0005] * 20, late, gone))[1:] == [(20, 6), (10, 7)]


def test_a_thin_stream_is_soon_not_waited_for() -> None:
    """Of those who come one in each step it expects fewer and fewer, and then waits for a moment only."""
    stream = [step * STEP + 0.0005 for step in range(99)]
    came = [came for came, _ in run(_rounds([0.0005] * 60, *[stream] * 60))[1:]]
    assert came[0] > 4
    assert set(came[-20:]) == {2}


def test_it_waits_a_step_for_every_two_that_are_expected() -> None:
    """Of those who come two in each step it does not wait for more than it expects."""
    stream = [step * STEP + 0.0005 for step in range(99)] * 2
    assert run(_rounds([0.0005] * 10, [*[0.0005], *stream[8:99], *stream[8:99]]))[1][1] <= 5


def test_it_finds_out_that_there_are_more() -> None:
    """The fourth time it waits for more, and from then on for as many as came then."""
    late = [0.0005, 0.0015]
    assert [came for came, _ in run(_rounds([0.0005], *[late] * 5))] == [1, 1, 1, 1, 2, 2]


def test_the_longer_there_are_no_more_the_rarer_it_looks() -> None:
    """After four rounds, eight, sixteen, thirty-two, and then every sixty-four."""
    rounds = run(_rounds(*[[0.0005]] * 250))
    searches = [place for place, (_, steps) in enumerate(rounds) if steps > 1]
    assert [later - sooner for sooner, later in pairwise(searches)] == [4, 8, 16, 32, 64, 64]


def test_one_more_makes_it_look_often_again() -> None:
    """Who has found somebody after a long time looks for more after four rounds."""
    rounds = run(_rounds(*[[0.0005]] * 60, *[[0.0005, *[0.0015] * 3]] * 10))
    found = [place for place, (came, _) in enumerate(rounds) if came == 4]
    assert [steps for _, steps in rounds[found[0] :]][:6] == [4, 2, 2, 2, 4, 2]


def test_it_gives_up_on_those_who_are_gone() -> None:
    """Of twenty three have stayed: after some rounds it waits for no more than these."""
    rounds = run(_rounds([0.0005] * 20, *[[0.0005] * 3] * 10))
    assert rounds[1] == (3, 7)
    assert rounds[-1] == (3, 1)
