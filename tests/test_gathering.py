"""Waiting a little for others, in virtual time."""

import asyncio

import pytest

from tests.virtual_time import run
from tokensvc.gathering import gather_more

STEP = 0.001


async def _gathering(arrivals: list[float], expected: int) -> tuple[int, float]:
    """Gather while something arrives at each of these moments; answer how much came, and how long it took."""
    come: list[float] = []
    loop = asyncio.get_running_loop()
    for moment in arrivals:
        loop.call_later(moment, come.append, moment)
    await gather_more(lambda: len(come), expected, STEP)
    return len(come), round(loop.time() / STEP, 6)


@pytest.mark.parametrize(
    ("arrivals", "expected", "came", "steps"),
    [
        pytest.param([0.0005, 0.0006], 2, 2, 1, id="all that were expected are there"),
        pytest.param([], 2, 0, 2, id="nothing comes"),
        pytest.param([0.0015], 5, 1, 4, id="a quiet step may be followed by more"),
        pytest.param([0.0005, 0.0015, 0.0025, 0.0095], 9, 3, 5, id="nothing more comes for two steps"),
        pytest.param([step * STEP + 0.0005 for step in range(99)], 99, 8, 8, id="they come for ever"),
    ],
)
def test_it_waits_as_long_as_that_pays(arrivals: list[float], expected: int, came: int, steps: float) -> None:
    """It returns with those expected, after two quiet steps, or after eight steps."""
    assert run(_gathering(arrivals, expected)) == (came, steps)
