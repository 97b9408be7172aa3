"""What watchers of the revocation log are told, when, and at what cost."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.fakes import FakeClock
from tests.services.watching import QUIET, SOON, Steps, WatchedStore, Watcher, end, note
from tests.store.samples import NOW
from tests.virtual_time import run
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import HOUR
from tokensvc.domain.revocation import EntryKind
from tokensvc.services import revocation_feed, revocation_ring

ROUND = 0.02  # seconds: a look and what it leads to


def in_virtual_time(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run `scenario` where waiting takes no time."""

    async def main() -> None:
        await scenario()

    run(main())


def test_a_watch_begins_with_all_that_is_needed() -> None:
    """From zero on: the entries of the log in their order, with the revision at the end, then what comes."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        await end(store, "a", "b")
        watcher = Watcher(steps.feed(store), steps)
        await asyncio.sleep(SOON)
        await end(store, "c")
        await asyncio.sleep(SOON)
        assert (watcher.keys, watcher.revisions) == (["a", "b", "c"], [2, 3])
        await watcher.leave()

    in_virtual_time(scenario)


def test_what_has_expired_long_ago_is_not_in_a_snapshot() -> None:
    """It concerns no living token."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        await end(store, "old", expires_at=NOW)
        await end(store, "new", expires_at=NOW + 4 * HOUR)
        watcher = Watcher(steps.feed(store, FakeClock(NOW + 3 * HOUR)), steps)
        await asyncio.sleep(SOON)
        assert (watcher.keys, watcher.revisions) == (["new"], [2])
        await watcher.leave()

    in_virtual_time(scenario)


@pytest.mark.parametrize("size", [499, 500, 501, 2000])
def test_a_long_snapshot_comes_in_parts(size: int) -> None:
    """Each is bounded, and until the last one says so nothing is complete."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        await end(store, *map(str, range(size)))
        watcher = Watcher(steps.feed(store), steps)
        await asyncio.sleep(SOON)
        *parts, last = watcher.steps
        assert watcher.keys == [*map(str, range(size))]
        assert {(step.revision, step.looked_at) for step in parts} <= {(0, None)}
        assert (last.revision, last.looked_at) == (size, NOW)
        assert max(len(step.entries) for step in watcher.steps) <= 500
        await watcher.leave()

    in_virtual_time(scenario)


@pytest.mark.parametrize("missed", [0, 1, 1200])
def test_a_watch_is_taken_up_where_it_was(missed: int) -> None:
    """From a revision on come the entries behind it alone, and at once how far that is."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        seen = await end(store, "seen")
        if missed:
            await end(store, *map(str, range(missed)))
        watcher = Watcher(steps.feed(store), steps, seen)
        await asyncio.sleep(SOON)
        assert watcher.keys == [*map(str, range(missed))]
        assert watcher.revisions[-1] == seen + missed
        assert [step.looked_at for step in watcher.steps] == [None] * (len(watcher.steps) - 1) + [NOW]
        assert all(step.entries[-1].revision == step.revision for step in watcher.steps if step.entries)
        await watcher.leave()

    in_virtual_time(scenario)


def test_a_revision_ahead_of_the_log_is_refused() -> None:
    """As after the return of an older copy: the revisions up to there would be given to other entries."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        error = await Watcher(steps.feed(store), steps, await end(store, "a") + 1).failed()
        assert isinstance(error, RefusedError)
        assert (error.reason, error.field) == (Reason.INVALID_REQUEST, "from_revision")

    in_virtual_time(scenario)


def test_news_come_with_the_next_look() -> None:
    """Within twenty milliseconds."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        await end(store, "before")
        watcher = Watcher(steps.feed(store), steps)
        await asyncio.sleep(SOON)
        for name in "abc":
            await end(store, name)
            await asyncio.sleep(ROUND)
            assert watcher.keys[-1] == name
        await watcher.leave()

    in_virtual_time(scenario)


def test_what_ends_nothing_moves_the_revision_alone() -> None:
    """A client that was changed and a subject that was flagged are passed over."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        seen = await end(store, "a")
        watcher = Watcher(steps.feed(store), steps, seen)
        await asyncio.sleep(SOON)
        for kind in (EntryKind.CLIENT_CHANGED, EntryKind.SUBJECT_FLAGGED, EntryKind.SUBJECT_UNFLAGGED):
            await note(store, kind, "ada")
            await asyncio.sleep(SOON)
        assert (watcher.keys, watcher.revisions) == ([], [1, 2, 3, 4])
        assert not any(step.keys_changed for step in watcher.steps)
        await watcher.leave()

    in_virtual_time(scenario)


def test_a_change_of_the_keys_is_told() -> None:
    """To those who watch, and to those who take up the stream behind it."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        seen = await end(store, "a")
        feed = steps.feed(store)
        watcher = Watcher(feed, steps, seen)
        await asyncio.sleep(SOON)
        await note(store, EntryKind.KEYS_CHANGED)
        await asyncio.sleep(SOON)
        later = Watcher(feed, steps, seen)
        await asyncio.sleep(SOON)
        assert [step.keys_changed for step in watcher.steps] == [False, True]
        assert [step.keys_changed for step in later.steps] == [True]
        await watcher.leave()
        await later.leave()

    in_virtual_time(scenario)


def test_who_cannot_know_the_keys_is_told_to_fetch_them() -> None:
    """Who begins with a snapshot, and who was away so long that a change of them is not in the log any more."""

    async def scenario() -> None:
        store, steps, clock = WatchedStore(), Steps(), FakeClock()
        seen = await end(store, "a")
        await note(store, EntryKind.KEYS_CHANGED)
        clock.advance(days=2)
        feed = steps.feed(store, clock)
        watchers = [Watcher(feed, steps), Watcher(feed, steps, seen)]
        await asyncio.sleep(SOON)
        assert [[step.keys_changed for step in watcher.steps] for watcher in watchers] == [[True], [True]]
        for watcher in watchers:
            await watcher.leave()

    in_virtual_time(scenario)


def test_silence_is_told_of_by_looks() -> None:
    """Twice a second while nothing happens, each with the moment at which the look began."""

    async def scenario() -> None:
        store, steps, clock = WatchedStore(), Steps(), FakeClock()
        seen = await end(store, "a")
        watcher = Watcher(steps.feed(store, clock), steps, seen)
        await asyncio.sleep(SOON)
        for _ in range(3):
            clock.advance(seconds=1)
            before = len(watcher.steps)
            await asyncio.sleep(QUIET)
            assert [step.looked_at for step in watcher.steps[before:]] == [clock()]
        assert (watcher.keys, {*watcher.revisions}) == ([], {seen})
        await watcher.leave()

    in_virtual_time(scenario)


def test_watchers_share_the_looks_and_the_steps() -> None:
    """Ten of them cost as many looks, reads and written steps as one; without any there are none."""

    async def scenario() -> None:
        costs = []
        for count in (1, 10):
            store, steps = WatchedStore(), Steps()
            seen = await end(store, "a")
            feed = steps.feed(store)
            watchers = [Watcher(feed, steps, seen) for _ in range(count)]
            await asyncio.sleep(SOON)
            before = (store.looks, store.reads, len(steps.steps))
            for name in map(str, range(20)):
                await end(store, name)
                await asyncio.sleep(SOON)
            after = (store.looks, store.reads, len(steps.steps))
            costs.append([now - then for now, then in zip(after, before, strict=True)])
            assert {tuple(watcher.keys) for watcher in watchers} == {tuple(map(str, range(20)))}
            assert len({id(watcher.written[-1]) for watcher in watchers}) == 1
            for watcher in watchers:
                await watcher.leave()
            looks = store.looks
            await asyncio.sleep(10)
            assert store.looks == looks
        assert costs[0] == pytest.approx(costs[1], abs=2)

    in_virtual_time(scenario)


def test_watchers_who_begin_together_share_the_snapshot() -> None:
    """Its full parts are read and written once; who comes much later gets it as it is then."""

    async def scenario() -> None:
        store, steps, clock = WatchedStore(), Steps(), FakeClock()
        await end(store, *map(str, range(4000)))
        feed = steps.feed(store, clock)
        watchers = [Watcher(feed, steps) for _ in range(10)]
        await asyncio.sleep(SOON)
        assert {len(watcher.keys) for watcher in watchers} == {4000}
        assert store.reads == 7 + len(watchers)  # what comes last tells each where it is
        clock.advance(days=1)
        await asyncio.sleep(60)
        late = Watcher(feed, steps)
        await asyncio.sleep(SOON)
        assert (late.keys, late.revisions[0]) == ([], 4000)
        for watcher in (*watchers, late):
            await watcher.leave()

    in_virtual_time(scenario)


def test_kept_parts_take_bounded_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a snapshot is longer, the beginning is read again."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        await end(store, *map(str, range(4000)))
        feed = steps.feed(store)
        watchers = []
        for _ in range(2):
            watchers.append(Watcher(feed, steps))
            await asyncio.sleep(SOON)
            assert feed._ring is not None
            assert feed._ring.parts._bytes <= 80_000
        assert [len(watcher.keys) for watcher in watchers] == [4000, 4000]
        for watcher in watchers:
            await watcher.leave()

    monkeypatch.setattr("tokensvc.services.snapshot_parts.MOST_BYTES", 80_000)
    in_virtual_time(scenario)


@pytest.mark.parametrize("bound", ["MOST_STEPS", "MOST_BYTES"])
def test_who_falls_behind_is_refused(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """So many steps wait, so many bytes, and no more: for the others it goes on, and so it does from where one was."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        seen = await end(store, "a")
        feed = steps.feed(store)
        slow, quick = Watcher(feed, steps, seen), Watcher(feed, steps, seen)
        await asyncio.sleep(SOON)
        slow.reads.clear()
        for name in map(str, range(40)):
            await end(store, name)
            await asyncio.sleep(SOON)
        assert feed._ring is not None
        assert len(feed._ring._steps) <= 10
        slow.reads.set()
        error = await slow.failed()
        assert isinstance(error, RefusedError)
        assert (error.reason, bool(error.retry_after)) == (Reason.OVERLOADED, True)
        again = Watcher(feed, steps, slow.revisions[-1])
        await asyncio.sleep(SOON)
        assert slow.keys + again.keys == quick.keys == [*map(str, range(40))]
        await quick.leave()
        await again.leave()

    monkeypatch.setattr(revocation_ring, bound, {"MOST_STEPS": 10, "MOST_BYTES": 800}[bound])
    in_virtual_time(scenario)


def test_a_snapshot_may_take_longer_than_steps_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came meanwhile, and is not kept any more, is read from the log."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        names = [*map(str, range(1200))]
        await end(store, *names)
        feed = steps.feed(store)
        slow = Watcher(feed, steps)
        slow.reads.clear()
        await asyncio.sleep(SOON)
        for name in (more := [f"more-{number}" for number in range(40)]):
            await end(store, name)
            await asyncio.sleep(SOON)
        slow.reads.set()
        await asyncio.sleep(SOON)
        assert slow.keys == names + more
        assert slow.revisions[-1] == 1240
        await slow.leave()

    monkeypatch.setattr(revocation_ring, "MOST_STEPS", 10)
    in_virtual_time(scenario)


def test_an_outage_ends_every_watch() -> None:
    """Without a look nothing is told; each gets an error of its own, and a new watch works when the store does."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        seen = await end(store, "a")
        feed = steps.feed(store)
        watchers = [Watcher(feed, steps, seen) for _ in range(3)]
        await asyncio.sleep(SOON)
        store.fails, told = True, len(steps.steps)
        errors = [await watcher.failed() for watcher in watchers]
        assert [getattr(error, "reason", None) for error in errors] == [Reason.STORE_UNAVAILABLE] * 3
        assert (len(set(map(id, errors))), len(steps.steps)) == (3, told)
        store.fails = False
        again = Watcher(feed, steps, seen)
        await asyncio.sleep(SOON)
        assert again.revisions == [seen]
        await again.leave()

    in_virtual_time(scenario)


def test_a_log_that_was_read_anew_ends_every_watch() -> None:
    """It may be an older copy, in which other entries have got the revisions that watchers have seen already."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        seen = await end(store, "a", "b", "lost")
        watcher = Watcher(steps.feed(store), steps, seen)
        await asyncio.sleep(SOON)
        store.loses_the_last(1)
        assert await end(store, "other") == seen
        error = await watcher.failed()
        assert isinstance(error, RefusedError)
        assert (error.reason, watcher.keys) == (Reason.STORE_UNAVAILABLE, [])

    in_virtual_time(scenario)


def test_a_defect_ends_every_watch() -> None:
    """As what it is: it is not mistaken for an outage, and nobody waits for ever."""

    async def scenario() -> None:
        store, steps = WatchedStore(), Steps()
        seen = await end(store, "a")
        feed = revocation_feed.RevocationFeed(store, FakeClock(), lambda step: steps.write(step) if seen else b"")
        watchers = [Watcher(feed, steps, seen) for _ in range(2)]
        await asyncio.sleep(SOON)
        store.log_entries = None  # type: ignore[assignment, method-assign]
        await end(store, "b")
        assert [type(await watcher.failed()) for watcher in watchers] == [TypeError, TypeError]

    in_virtual_time(scenario)
