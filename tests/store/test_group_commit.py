"""How units are gathered into batches, shown with a transaction that the test controls."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.store.samples import writing
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.ports import Committed, Unit
from tokensvc.store.group_commit import CommitCounts, GroupCommit


class Transactions:
    """Records each batch, and holds it until it may go on; fails as long as `error` is set."""

    def __init__(self) -> None:
        self.batches: list[list[Unit[Any]]] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.error: Exception | None = None

    async def __call__(self, units: Sequence[Unit[Any]]) -> list[Committed[Any]]:
        """Commit `units`; the outcomes are the units themselves."""
        self.batches.append(list(units))
        await self.may_go_on.wait()
        if self.error is not None:
            raise self.error
        return [Committed(unit, 0) for unit in units]

    @property
    def sizes(self) -> list[int]:
        """How many units each batch had."""
        return [len(batch) for batch in self.batches]


@pytest.fixture
async def transactions() -> Transactions:
    """Transactions that succeed."""
    return Transactions()


def commit_all(commits: GroupCommit, count: int) -> list[asyncio.Task[Committed[Any]]]:
    """Start that many commits."""
    return [asyncio.create_task(commits.commit(writing())) for _ in range(count)]


async def loop_passes(count: int = 5) -> None:
    """Let everything that is ready go on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_units_that_arrive_together_share_a_transaction(transactions: Transactions) -> None:
    """Five commits at once are one batch, in the order in which they came."""
    commits = GroupCommit(transactions, linger=0)
    units = [writing() for _ in range(5)]
    committed = await asyncio.gather(*map(commits.commit, units))
    assert transactions.batches == [units]
    assert [each.outcome for each in committed] == units


async def test_units_that_arrive_during_a_transaction_share_the_next(transactions: Transactions) -> None:
    """While one unit is being written the others gather; what was done is counted."""
    commits = GroupCommit(transactions, linger=0)
    transactions.may_go_on.clear()
    first = commit_all(commits, 1)
    await loop_passes()
    others = commit_all(commits, 3)
    await loop_passes()
    transactions.may_go_on.set()
    await asyncio.gather(*first, *others)
    assert transactions.sizes == [1, 3]
    assert commits.counts == CommitCounts(units=4, batches=2)


async def test_a_batch_has_a_largest_size(transactions: Transactions) -> None:
    """More units than fit are written in several batches, none of them lost."""
    commits = GroupCommit(transactions, linger=0, most=4)
    await asyncio.gather(*commit_all(commits, 10))
    assert transactions.sizes == [4, 4, 2]


async def test_a_failed_batch_is_tried_unit_by_unit(transactions: Transactions) -> None:
    """When a batch raises, each unit gets a transaction of its own, in order."""
    commits = GroupCommit(transactions, linger=0)
    transactions.error = ValueError("a defect")
    failed = await asyncio.gather(*commit_all(commits, 3), return_exceptions=True)
    assert failed == [transactions.error] * 3
    assert transactions.batches == [transactions.batches[0], *([unit] for unit in transactions.batches[0])]


async def test_an_outage_fails_the_whole_batch_at_once(transactions: Transactions) -> None:
    """When the database is not available nothing is tried again, and each caller gets an error of its own."""
    commits = GroupCommit(transactions, linger=0)
    transactions.error = RefusedError(Reason.STORE_UNAVAILABLE, "gone")
    transactions.error.__cause__ = OSError("the driver's words")
    failed = await asyncio.gather(*commit_all(commits, 3), return_exceptions=True)
    assert transactions.sizes == [3]
    assert [(error.reason, error.message) for error in failed] == [(Reason.STORE_UNAVAILABLE, "gone")] * 3
    assert {error.__cause__ for error in failed} == {transactions.error.__cause__}
    assert len(set(map(id, failed))) == 3


async def test_an_outage_ends_with_the_batch(transactions: Transactions) -> None:
    """The batch after a failed one is served as if nothing had been."""
    commits = GroupCommit(transactions, linger=0)
    transactions.error = RefusedError(Reason.STORE_UNAVAILABLE, "gone")
    await asyncio.gather(*commit_all(commits, 2), return_exceptions=True)
    transactions.error = None
    unit = writing()
    assert (await commits.commit(unit)).outcome is unit


@pytest.mark.parametrize("fails", [False, True], ids=["committed", "failed"])
async def test_a_caller_that_goes_away_is_left_out_of_the_answers(transactions: Transactions, *, fails: bool) -> None:
    """Whether the batch succeeds or fails, a cancelled caller disturbs nobody."""
    commits = GroupCommit(transactions, linger=0)
    transactions.may_go_on.clear()
    leaving, staying = commit_all(commits, 2)
    await loop_passes()
    leaving.cancel()
    await loop_passes()
    transactions.error = RefusedError(Reason.STORE_UNAVAILABLE, "gone") if fails else None
    transactions.may_go_on.set()
    async with asyncio.timeout(30):
        (answer,) = await asyncio.gather(staying, return_exceptions=True)
    assert isinstance(answer, RefusedError if fails else Committed)
    assert leaving.cancelled()
    assert transactions.sizes == [2]


async def test_draining_waits_for_everything_that_is_queued(transactions: Transactions) -> None:
    """When drain returns, the batch under way and the queue behind it have been answered."""
    commits = GroupCommit(transactions, linger=0)
    transactions.may_go_on.clear()
    first = commit_all(commits, 1)
    await loop_passes()
    others = commit_all(commits, 2)
    draining = asyncio.create_task(commits.drain())
    await loop_passes()
    assert not draining.done()
    transactions.may_go_on.set()
    await draining
    assert all(task.done() for task in (*first, *others))


async def test_draining_an_idle_commit_returns(transactions: Transactions) -> None:
    """Without anything queued there is nothing to wait for."""
    commits = GroupCommit(transactions, linger=0)
    await commits.drain()
    await commits.commit(writing())
    await commits.drain()


async def test_a_unit_that_nobody_waits_for_any_more_is_not_begun(transactions: Transactions) -> None:
    """A request whose time was up while it stood in the queue is not executed."""
    commits = GroupCommit(transactions, linger=0)
    transactions.may_go_on.clear()
    commit_all(commits, 1)
    await loop_passes()
    leaving, staying = commit_all(commits, 2)
    await loop_passes()
    leaving.cancel()
    transactions.may_go_on.set()
    await staying
    assert transactions.sizes == [1, 1]


async def test_too_many_waiting_units_are_refused(transactions: Transactions) -> None:
    """One more than may wait is refused as overload and not begun; those that wait are served, and then it is too."""
    commits = GroupCommit(transactions, linger=0, most_waiting=3)
    transactions.may_go_on.clear()
    first = commit_all(commits, 1)
    await loop_passes()
    waiting = commit_all(commits, 3)
    await loop_passes()
    surplus = writing()
    with pytest.raises(RefusedError) as refused:
        await commits.commit(surplus)
    assert (refused.value.reason, refused.value.retry_after) == (Reason.OVERLOADED, 1)
    transactions.may_go_on.set()
    await asyncio.gather(*first, *waiting)
    assert transactions.sizes == [1, 3]
    assert (await commits.commit(surplus)).outcome is surplus


async def test_who_goes_away_makes_room(transactions: Transactions) -> None:
    """The place of a caller that has given up is free at once, however long the transaction before it takes."""
    commits = GroupCommit(transactions, linger=0, most_waiting=2)
    transactions.may_go_on.clear()
    commit_all(commits, 1)
    await loop_passes()
    for _ in range(5):
        leaving = commit_all(commits, 2)
        await loop_passes()
        for task in leaving:
            task.cancel()
        await loop_passes()
    (staying,) = commit_all(commits, 1)
    transactions.may_go_on.set()
    await staying
    assert transactions.sizes == [1, 1]
