"""Waiting a little for others, in virtual time."""

import asyncio
from collections.abc import Sequence

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
        pytest.param([0.0005, 0.0006], 2, 3, id="nothing more comes"),
        pytest.param([0.0015], 1, 4, id="a quiet step may be followed by more"),
        pytest.param([0.0005, 0.0015, 0.0025, 0.0095], 3, 5, id="one comes too late"),
        pytest.param([step * STEP + 0.0005 for step in range(99)], 8, 8, id="they come for ever"),
        pytest.param([0.0005] * 70, 70, 1, id="more than plenty"),
    ],
)
def test_the_first_time_it_waits_until_no_more_come(arrivals: Sequence[float], came: int, steps: float) -> None:
    """It returns after two quiet steps, after eight steps, or with plenty."""
    assert run(_rounds(arrivals)) == [(came, steps)]


def test_afterwards_it_waits_for_as_many() -> None:
    """When all who came the last time are there it does not look for more."""
    assert run(_rounds([0.0005] * 3, [0.0005] * 3, [0.0005, 0.0005, 0.0015]))[1:] == [(3, 1), (3, 2)]


def test_it_finds_out_that_there_are_more() -> None:
    """Every fourth time it waits until no more come, and from then on for that many."""
    late = [0.0005, 0.0015]
    assert [came for came, _ in run(_rounds([0.0005], *[late] * 5))] == [1, 1, 1, 1, 2, 2]


def test_it_gives_up_on_those_who_are_gone() -> None:
    """Of twenty three have stayed: after some rounds it waits for no more than these."""
    rounds = run(_rounds([0.0005] * 20, *[[0.0005] * 3] * 41))
    assert rounds[1] == (3, 3)
    assert rounds[-1] == (3, 1)
