"""The log as watchers read it: which entries, in which order, and what two nodes on one database tell of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fakes import FakeClock
from tests.rpc.steps import until
from tests.services.watching import Steps, Watcher, end, note
from tests.store.kinds import Kind, only
from tests.store.samples import NOW
from tokensvc.domain.policy import DAY, HOUR
from tokensvc.domain.revocation import EntryKind
from tokensvc.ports import Store
from tokensvc.services.revocation_feed import RevocationFeed

FAR = NOW + 4 * HOUR


async def keys_of(store: Store, after: int, until: int, *, now: int = NOW, limit: int = 100) -> list[str]:
    """The keys of the entries that are found."""
    return [entry.key for entry in await store.log_entries(after, until, now, limit)]


async def test_entries_lie_behind_a_revision_and_up_to_another(store: Store) -> None:
    """The first is not among them, the last one is, and there are no more than are wanted."""
    revision = await end(store, *"abcde")
    assert await keys_of(store, 0, revision) == [*"abcde"]
    assert await keys_of(store, revision - 3, revision - 1) == [*"cd"]
    assert await keys_of(store, 0, revision, limit=2) == [*"ab"]
    assert await keys_of(store, revision, revision) == []


async def test_an_entry_is_found_as_it_was_written(store: Store) -> None:
    """Of every kind, with all that watchers are told; how long its barrier is kept is no matter of the log."""
    for kind in EntryKind:
        await note(store, kind, "key", issued_before=NOW - 1, reason="why")
    found = await store.log_entries(0, len(EntryKind), NOW, 100)
    assert [entry.kind for entry in found] == [*EntryKind]
    assert [entry.revision for entry in found] == [*range(1, len(EntryKind) + 1)]
    assert {(entry.key, entry.at, entry.issued_before, entry.reason) for entry in found} == {
        ("key", NOW, NOW - 1, "why")
    }


async def test_what_is_needed_no_more_is_left_out(store: Store) -> None:
    """Before it is pruned as well as after that; for two hours more a clock may be behind."""
    revision = await end(store, "short") and await end(store, "long", expires_at=FAR)
    assert await keys_of(store, 0, revision, now=NOW + 3 * HOUR) == ["short", "long"]
    assert await keys_of(store, 0, revision, now=NOW + 3 * HOUR + 1) == ["long"]
    await store.prune(NOW + 3 * HOUR + 1, 100)
    assert await keys_of(store, 0, revision) == ["long"]
    assert await keys_of(store, 0, revision, now=FAR + DAY) == []


@asynccontextmanager
async def two_feeds(kind: Kind, path: Path, clock: FakeClock, steps: Steps) -> AsyncIterator[list[RevocationFeed]]:
    """The feeds of two nodes, and their stores."""
    stores = [kind.open(path, clock), kind.open(path, clock)]
    try:
        yield [steps.feed(store, clock) for store in stores]
    finally:
        for store in stores:
            await store.close()


@only("survives_restart")
async def test_each_node_tells_what_the_other_has_committed(kind: Kind, path: Path, clock: FakeClock) -> None:
    """All of it, once, and in the order of the revisions, while both write at the same time."""
    steps = Steps()
    async with two_feeds(kind, path, clock, steps) as feeds:
        watchers = [Watcher(feed, steps) for feed in feeds]
        names = [f"{node}-{number}" for number in range(50) for node in range(2)]
        await asyncio.gather(*(end(feeds[int(name[0])]._store, name) for name in names))
        for watcher in watchers:
            await until(lambda: len(watcher.keys) >= len(names))  # noqa: B023 - it is awaited here
            revisions = [entry.revision for step in watcher.steps for entry in step.entries]
            assert revisions == [*range(1, len(names) + 1)]
            assert watcher.revisions == sorted(watcher.revisions)
            assert sorted(watcher.keys) == sorted(names)
        assert watchers[0].keys == watchers[1].keys
        for watcher in watchers:
            await watcher.leave()


@only("survives_restart")
async def test_no_entry_comes_behind_a_revision_that_covers_it(kind: Kind, path: Path, clock: FakeClock) -> None:
    """Watchers who begin anew again and again, while there is much to tell, have everything up to where they were."""
    steps = Steps()
    async with two_feeds(kind, path, clock, steps) as (feed, other):
        writing = asyncio.gather(*(end(other._store, str(number)) for number in range(200)))
        seen: list[str] = []
        revision = 0
        while revision < 200:
            watcher = Watcher(feed, steps, revision)
            await until(lambda: len(watcher.steps) > 1 or 200 in watcher.revisions)  # noqa: B023 - it is awaited here
            await watcher.leave()
            complete = [step for step in watcher.steps if step.revision]
            if complete:
                seen += watcher.keys
                revision = complete[-1].revision
                assert len(seen) == revision
        await writing
        assert len(set(seen)) == 200
