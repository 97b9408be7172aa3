"""Lingering: a busy group commit waits for the callers that are around, a lone one waits for nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.store.samples import writing
from tests.virtual_time import run
from tokensvc.ports import Committed, Unit
from tokensvc.store.group_commit import GroupCommit

LINGER = 0.001
COMMIT = 0.002
THINKING = 0.0015


class Transactions:
    """Transactions that take a while and succeed."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def __call__(self, units: Sequence[Unit[Any]]) -> Sequence[Committed[Any]]:
        """Note how many units share it."""
        self.sizes.append(len(units))
        await asyncio.sleep(COMMIT)
        return [Committed(unit, 0) for unit in units]


async def _callers(count: int, rounds: int, linger: float) -> tuple[list[int], float]:
    """Let callers commit again and again; answer the sizes of the batches and how long it took."""
    transactions = Transactions()
    commits = GroupCommit(transactions, linger=linger)

    async def caller(number: int) -> None:
        for _ in range(rounds):
            await commits.commit(writing())
            await asyncio.sleep(THINKING * (1 + number / count))

    await asyncio.gather(*map(caller, range(count)))
    return transactions.sizes, asyncio.get_running_loop().time()


def test_a_lone_caller_waits_for_its_commits_alone() -> None:
    """Commits one after the other take their transactions' time and no more."""
    sizes, elapsed = run(_callers(1, rounds=10, linger=LINGER))
    assert sizes == [1] * 10
    assert round(elapsed, 6) == round(10 * (COMMIT + THINKING), 6)


def test_callers_that_come_back_share_every_batch() -> None:
    """After the first batches each one holds all 16 callers, though they come back one by one."""
    sizes, _ = run(_callers(16, rounds=50, linger=LINGER))
    assert sum(sizes) == 16 * 50
    assert set(sizes[2:-1]) == {16}


def test_without_lingering_batches_are_smaller() -> None:
    """With a linger of zero the next batch begins with whoever is there."""
    sizes, _ = run(_callers(16, rounds=50, linger=0))
    assert sum(sizes) == 16 * 50
    assert len(sizes) > 80
