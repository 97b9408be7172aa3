"""Up to where the trail can be read, when numbers are committed out of order or never."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import pytest

from tests.virtual_time import run
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.ports import AuditFilter, AuditPage, AuditQuery, AuditRecord
from tokensvc.services.audit import AuditTrail
from tokensvc.services.audit_feed import AuditFeed
from tokensvc.store.memory import MemoryStore

PATIENCE = 7.0
SOON = 0.6  # seconds in which a look has certainly been taken


class Trail(MemoryStore):
    """A trail in which the test commits any numbers. It counts the looks at it."""

    def __init__(self, *numbers: int) -> None:
        super().__init__()
        self.committed = set(numbers)
        self.looks = 0
        self.fails = False

    async def audit_events(self, wanted: AuditQuery) -> AuditPage:
        """The events with the numbers that are committed."""
        numbers = sorted(number for number in self.committed if wanted.after < number < wanted.before)
        numbers = (numbers[::-1] if wanted.newest_first else numbers)[: wanted.limit]
        records = [AuditRecord(number, AuditEvent(str(number), 0), b"") for number in numbers]
        complete = len(numbers) < wanted.limit
        return AuditPage(records, wanted.before - 1 if complete else numbers[-1], complete=complete)

    async def audit_numbers(self, after: int, limit: int) -> list[int]:
        """Those that are committed."""
        self.looks += limit > 1  # a watcher that begins asks for one, to see that it is not ahead
        if self.fails:
            raise RefusedError(Reason.STORE_UNAVAILABLE, "gone")
        return sorted(number for number in self.committed if number > after)[:limit]


class Watcher:
    """Notes the numbers that a watch answers."""

    def __init__(self, store: Trail, feed: AuditFeed, after: int) -> None:
        self.seen: list[int] = []
        self.after = 0
        self._task = asyncio.create_task(self._watch(AuditTrail(store, feed), after))

    async def _watch(self, trail: AuditTrail, after: int) -> None:
        watch = await trail.watch(AuditFilter(), after)
        self.after = watch.after
        async for record in watch.records:
            self.seen.append(record.sequence)

    async def leave(self) -> None:
        """Go away."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def failed(self) -> BaseException | None:
        """Wait for the end, and answer what it was."""
        await asyncio.wait([self._task], timeout=60)
        return self._task.exception()


def in_virtual_time(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run `scenario` where waiting takes no time."""

    async def main() -> None:
        await scenario()

    run(main())


def test_events_come_as_they_are_committed() -> None:
    """What is there behind the event that was seen last comes at once, the rest soon after it has happened."""

    async def scenario() -> None:
        store = Trail(1, 2, 3)
        watcher = Watcher(store, AuditFeed(store, patience=PATIENCE), after=1)
        await asyncio.sleep(SOON)
        assert watcher.seen == [2, 3]
        store.committed |= {4, 5}
        await asyncio.sleep(SOON)
        assert watcher.seen == [2, 3, 4, 5]
        await watcher.leave()

    in_virtual_time(scenario)


def test_zero_begins_with_what_happens_next() -> None:
    """Nothing of what was committed before comes, though numbers before it are still open; those do come."""

    async def scenario() -> None:
        store = Trail(1, 2, 4, 6)
        watcher = Watcher(store, AuditFeed(store, patience=PATIENCE), after=0)
        await asyncio.sleep(SOON)
        store.committed |= {3, 5, 7}
        await asyncio.sleep(SOON)
        assert watcher.seen == [3, 5, 7]
        await watcher.leave()

    in_virtual_time(scenario)


def test_a_number_that_is_committed_late_is_waited_for() -> None:
    """What is behind a gap waits for it, so that everything comes in order."""

    async def scenario() -> None:
        store = Trail(1)
        watcher = Watcher(store, AuditFeed(store, patience=PATIENCE), after=1)
        await asyncio.sleep(SOON)
        store.committed |= {3, 4}
        await asyncio.sleep(PATIENCE - 1)
        assert watcher.seen == []
        store.committed |= {2, 5}
        await asyncio.sleep(SOON)
        assert watcher.seen == [2, 3, 4, 5]
        await watcher.leave()

    in_virtual_time(scenario)


def test_a_number_that_is_never_committed_is_passed() -> None:
    """When its transaction must be over the watch goes on, over several gaps at once."""

    async def scenario() -> None:
        store = Trail(1)
        watcher = Watcher(store, AuditFeed(store, patience=PATIENCE), after=1)
        await asyncio.sleep(SOON)
        store.committed |= {3, 5, 9}
        await asyncio.sleep(PATIENCE - SOON)
        assert watcher.seen == []
        await asyncio.sleep(2 * SOON)
        assert watcher.seen == [3, 5, 9]
        await watcher.leave()

    in_virtual_time(scenario)


def test_a_gap_is_as_old_as_the_first_number_behind_it() -> None:
    """Numbers that come after it do not make the watch wait again and again."""

    async def scenario() -> None:
        store = Trail(1)
        watcher = Watcher(store, AuditFeed(store, patience=PATIENCE), after=1)
        await asyncio.sleep(SOON)
        for number in range(3, 14):
            store.committed.add(number)
            await asyncio.sleep(1)
        assert watcher.seen[:3] == [3, 4, 5]
        await watcher.leave()

    in_virtual_time(scenario)


def test_where_numbers_are_committed_in_order_nothing_waits() -> None:
    """Without patience a gap is one that pruning has left."""

    async def scenario() -> None:
        store = Trail(1, 7)
        watcher = Watcher(store, AuditFeed(store, patience=0), after=1)
        await asyncio.sleep(SOON)
        store.committed.add(9)
        await asyncio.sleep(SOON)
        assert watcher.seen == [7, 9]
        await watcher.leave()

    in_virtual_time(scenario)


def test_watchers_share_the_looks() -> None:
    """Ten watchers cost as many looks as one; without any there are none."""

    async def scenario() -> None:
        looks = []
        for count in (1, 10):
            store = Trail(1)
            feed = AuditFeed(store, patience=PATIENCE)
            watchers = [Watcher(store, feed, after=1) for _ in range(count)]
            await asyncio.sleep(10.1)
            looks.append(store.looks)
            for watcher in watchers:
                await watcher.leave()
            await asyncio.sleep(10)
            assert store.looks == looks[-1]
        assert looks[0] == looks[1] <= 42

    in_virtual_time(scenario)


def test_a_watch_that_comes_after_a_long_silence_sees_what_is_new() -> None:
    """After a pause the feed begins anew where the trail ends."""

    async def scenario() -> None:
        store = Trail(1)
        feed = AuditFeed(store, patience=PATIENCE)
        first = Watcher(store, feed, after=0)
        await asyncio.sleep(SOON)
        await first.leave()
        store.committed |= set(range(2, 40_000))
        await asyncio.sleep(3600)
        second = Watcher(store, feed, after=0)
        third = Watcher(store, feed, after=39_990)
        await asyncio.sleep(SOON)
        store.committed.add(40_000)
        await asyncio.sleep(SOON)
        assert (first.seen, second.seen) == ([], [40_000])
        assert third.seen == [*range(39_991, 40_001)]
        await second.leave()
        await third.leave()

    in_virtual_time(scenario)


def test_an_outage_ends_every_watch() -> None:
    """A watcher that hears nothing must not believe that nothing happens; a new watch works when the store does."""

    async def scenario() -> None:
        store = Trail(1)
        feed = AuditFeed(store, patience=PATIENCE)
        watchers = [Watcher(store, feed, after=1) for _ in range(3)]
        await asyncio.sleep(SOON)
        store.fails = True
        errors = [await watcher.failed() for watcher in watchers]
        assert [getattr(error, "reason", None) for error in errors] == [Reason.STORE_UNAVAILABLE] * 3
        assert len(set(map(id, errors))) == 3
        store.fails = False
        store.committed.add(2)
        again = Watcher(store, feed, after=1)
        await asyncio.sleep(SOON)
        assert again.seen == [2]
        await again.leave()

    in_virtual_time(scenario)


@pytest.mark.parametrize("numbers", [(), (1,), (1, 2, 4, 6), (3, 4), range(1, 30_000)], ids=str)
def test_who_has_seen_nothing_can_go_on(numbers: Collection[int]) -> None:
    """A watch says where it begins: one that goes on from there has everything that came meanwhile."""

    async def scenario() -> None:
        store = Trail(*numbers)
        first = Watcher(store, AuditFeed(store, patience=PATIENCE), after=0)
        await asyncio.sleep(SOON)
        await first.leave()
        last = max(numbers, default=1)
        assert (first.seen, 0 < first.after <= last) == ([], True)
        store.committed |= {last + 1, last + 2}
        second = Watcher(store, AuditFeed(store, patience=PATIENCE), after=first.after)
        await asyncio.sleep(2 * PATIENCE)
        assert second.seen[-2:] == [last + 1, last + 2]
        await second.leave()

    in_virtual_time(scenario)


@pytest.mark.parametrize("after", [4, 1000])
def test_who_is_ahead_of_the_trail_is_refused(after: int) -> None:
    """As after the return of an older copy: events up to there would never come to it."""

    async def scenario() -> None:
        store = Trail(1, 2, 3)
        error = await Watcher(store, AuditFeed(store, patience=PATIENCE), after).failed()
        assert isinstance(error, RefusedError)
        assert (error.reason, error.field) == (Reason.INVALID_REQUEST, "after_sequence")

    in_virtual_time(scenario)


def test_nobody_is_ahead_of_a_trail_that_is_pruned_to_its_end() -> None:
    """Its numbers go on, and the next event comes."""

    async def scenario() -> None:
        store = Trail()
        watcher = Watcher(store, AuditFeed(store, patience=0), after=1000)
        await asyncio.sleep(SOON)
        store.committed.add(1001)
        await asyncio.sleep(SOON)
        assert watcher.seen == [1001]
        await watcher.leave()

    in_virtual_time(scenario)


@pytest.mark.parametrize("size", [499, 500, 501, 1500])
def test_a_long_history_comes_whole(size: int) -> None:
    """Everything behind an old event comes once and in order."""

    async def scenario() -> None:
        store = Trail(*range(1, size + 2))
        watcher = Watcher(store, AuditFeed(store, patience=PATIENCE), after=1)
        await asyncio.sleep(SOON)
        assert watcher.seen == [*range(2, size + 2)]
        await watcher.leave()

    in_virtual_time(scenario)
