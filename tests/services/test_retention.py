"""What one node does for all of them: pruning beside the traffic, and the beat."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.fakes import FakeClock
from tests.services.use_cases import UseCases, new_keys
from tests.store.kinds import open_sqlite_store
from tests.virtual_time import run
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import DAY, HOUR
from tokensvc.ports import BEAT
from tokensvc.services.retention import Retention, beat
from tokensvc.store.memory import MemoryStore

NOW = 1_800_000_000_000
BATCH = 10
INTERVAL = 60.0
OUTAGE = RefusedError(Reason.STORE_UNAVAILABLE, "the database is not available")


class BusyStore(MemoryStore):
    """A store with rows to prune, which takes its time for it and may fail. It notes when it was asked for what."""

    def __init__(self, *left: int) -> None:
        super().__init__()
        self.left = list(left)  # how many sessions each call will delete
        self.takes = 0.0  # seconds, for a call
        self.errors: list[Exception] = []  # what the next calls fail with
        self.prunes: list[float] = []
        self.holds: list[tuple[float, str, str]] = []
        self.cut_offs: list[tuple[int, int, int]] = []

    async def prune(self, now: int, limit: int, audit_before: int = 0) -> Counter[str]:
        """Delete what is next."""
        self.prunes.append(passed())
        self.cut_offs.append((now, limit, audit_before))
        if self.errors:
            raise self.errors.pop()
        await asyncio.sleep(self.takes)
        return +Counter(sessions=self.left.pop(0) if self.left else 0)

    async def hold_lease(self, name: str, holder: str, now: int, span: int) -> bool:
        """As in memory."""
        held = await super().hold_lease(name, holder, now, span)
        if held:
            self.holds.append((passed(), name, holder))
        return held


def passed() -> float:
    """The virtual time."""
    return round(asyncio.get_running_loop().time(), 6)


def clock() -> int:
    """A clock that goes with the virtual time."""
    return NOW + round(passed() * 1000)


def retention(store: BusyStore, holder: str = "node") -> Coroutine[Any, Any, None]:
    """A node's pruning."""
    return Retention(store, clock, audit_retention=90 * DAY, batch=BATCH).run(holder, INTERVAL)


@asynccontextmanager
async def running(*duties: Coroutine[Any, Any, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Duties that are under way, and cancelled at the end."""
    tasks = [asyncio.create_task(duty) for duty in duties]
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


def in_virtual_time(scenario: Callable[[], Awaitable[None]]) -> list[Any]:
    """Run `scenario` where waiting takes no time; answer what was logged."""

    async def main() -> None:
        await scenario()

    with structlog.testing.capture_logs() as logs:
        run(main())
    return logs


def test_it_prunes_again_and_again() -> None:
    """At once and then every interval, however little there is; a round without anything is not spoken of."""

    async def scenario() -> None:
        store = BusyStore()
        async with running(retention(store)):
            await asyncio.sleep(2 * INTERVAL + 1)
        assert store.prunes == [0, 60, 120]

    assert in_virtual_time(scenario) == []


def test_a_round_goes_on_until_nothing_is_left() -> None:
    """Full batches are followed by another one; a batch that is not full is the last. What went is logged once."""

    async def scenario() -> None:
        store = BusyStore(BATCH, BATCH, 3)
        async with running(retention(store)):
            await asyncio.sleep(INTERVAL - 1)
        assert len(store.prunes) == 3

    assert in_virtual_time(scenario) == [{"event": "pruned", "log_level": "info", "sessions": 2 * BATCH + 3}]


def test_half_of_the_time_is_the_traffics() -> None:
    """After each batch there is a pause as long as the batch took."""

    async def scenario() -> None:
        store = BusyStore(BATCH, BATCH, 0)
        store.takes = 0.5
        async with running(retention(store)):
            await asyncio.sleep(INTERVAL - 1)
        assert store.prunes == [0, 1, 2]

    in_virtual_time(scenario)


def test_there_is_always_a_pause() -> None:
    """Batches that take no time at all do not keep everybody else waiting either."""

    async def scenario() -> None:
        store = BusyStore(*[BATCH] * 100)
        async with running(retention(store)):
            await asyncio.sleep(INTERVAL - 1)
        assert store.prunes[-1] == pytest.approx(1)

    in_virtual_time(scenario)


def test_audit_events_go_by_their_own_age() -> None:
    """The store is told the moment before which audit events go; for ever is the beginning of time."""

    async def scenario() -> None:
        store = BusyStore()
        await Retention(store, clock, audit_retention=90 * DAY, batch=7).prune()
        await Retention(store, clock, audit_retention=0, batch=7).prune()
        assert store.cut_offs == [(NOW, 7, NOW - 90 * DAY), (NOW, 7, 0)]

    in_virtual_time(scenario)


def test_of_several_nodes_one_prunes() -> None:
    """Three nodes, one lease: each round is one node's, and the lease is renewed before each batch."""

    async def scenario() -> None:
        store = BusyStore(BATCH, BATCH)
        async with running(*(retention(store, holder) for holder in ("one", "two", "three"))):
            await asyncio.sleep(INTERVAL + 1)
        assert store.prunes == [0, 0.01, 0.02, 60.02]
        assert {holder for _, _, holder in store.holds} == {"one"}
        assert len(store.holds) == 4

    in_virtual_time(scenario)


def test_a_node_that_stops_lets_another_one_take_over() -> None:
    """The lease is given up at the end, so that the others need not wait until it expires."""

    async def scenario() -> None:
        store = BusyStore()
        async with running(retention(store, "first")):
            await asyncio.sleep(1)
        async with running(retention(store, "second")):
            await asyncio.sleep(1)
        assert store.prunes == [0, 1]

    in_virtual_time(scenario)


def test_a_node_that_dies_is_replaced() -> None:
    """Without a word from the holder another node goes on after two intervals."""

    async def scenario() -> None:
        store = BusyStore()
        await store.hold_lease("retention", "dead", NOW, round(2 * INTERVAL * 1000))
        async with running(retention(store)):
            await asyncio.sleep(3 * INTERVAL)
        assert store.prunes == [120]

    in_virtual_time(scenario)


def test_who_loses_the_lease_stops() -> None:
    """A round ends between two batches when another node has taken the lease."""

    async def scenario() -> None:
        store = BusyStore(*[BATCH] * 100)
        async with running(retention(store)):
            await asyncio.sleep(0.025)
            await store.release_lease("retention", "node")
            await store.hold_lease("retention", "other", clock(), 1_000_000)
            await asyncio.sleep(1)
        assert store.prunes == [0, 0.01, 0.02]

    in_virtual_time(scenario)


@pytest.mark.parametrize("error", [OUTAGE, ValueError("a defect")], ids=["outage", "defect"])
def test_a_failure_is_logged_and_the_next_round_comes(error: Exception) -> None:
    """Whatever goes wrong in a round, what it had pruned until then is logged too and the next one begins in time."""

    async def scenario() -> None:
        store = BusyStore(BATCH)
        async with running(retention(store)):
            await asyncio.sleep(0.005)
            store.errors = [error]
            await asyncio.sleep(INTERVAL + 1)
        assert store.prunes == [0, 0.01, 60.01]

    first, second = in_virtual_time(scenario)
    assert first == {"event": "pruned", "log_level": "info", "sessions": BATCH}
    assert (second["event"], second["duty"]) == ("a duty was not done", "retention")


def test_a_node_that_is_stopped_during_an_outage_stops() -> None:
    """The lease cannot be given up then; it expires."""

    class LostStore(BusyStore):
        async def release_lease(self, name: str, holder: str) -> None:
            raise OUTAGE

    async def scenario() -> None:
        async with running(retention(LostStore())):
            await asyncio.sleep(1)

    in_virtual_time(scenario)


def test_a_stop_in_the_middle_of_a_batch_gives_the_lease_up() -> None:
    """Cancelled while the store is at work, a node leaves nothing behind that others would wait for."""

    async def scenario() -> None:
        store = BusyStore(BATCH)
        store.takes = 1
        async with running(retention(store)):
            await asyncio.sleep(0.5)
        assert await store.hold_lease("retention", "other", clock(), 1)

    in_virtual_time(scenario)


def test_the_beat_is_one_write_every_two_seconds() -> None:
    """However many nodes there are, one of them renews it."""

    async def scenario() -> None:
        store = BusyStore()
        async with running(*(beat(store, clock, holder) for holder in ("one", "two", "three"))):
            await asyncio.sleep(9)
        assert store.holds == [(moment, BEAT, "one") for moment in (0, 2, 4, 6, 8)]

    in_virtual_time(scenario)


def test_the_beat_goes_on_when_its_holder_stops() -> None:
    """Another node takes over with its own next beat; from one that dies it does after a few seconds."""

    async def scenario() -> None:
        store = BusyStore()
        await store.hold_lease(BEAT, "dead", NOW, 5000)
        async with running(beat(store, clock, "first"), beat(store, clock, "second")) as (first, _):
            await asyncio.sleep(7)
            first.cancel()
            await asyncio.sleep(2)
        assert store.holds[1:] == [(6, BEAT, "first"), (8, BEAT, "second")]

    in_virtual_time(scenario)


async def test_reuse_is_caught_after_everything_around_is_pruned(tmp_path: Path) -> None:
    """A session whose first token was used two months ago is ended when that token comes back, pruned or not."""
    now = FakeClock()
    store = open_sqlite_store(tmp_path / "tokensvc.db", now)
    use_cases = UseCases(store, now, new_keys())
    await use_cases.register("bff")
    first = await use_cases.issue("bff", subject="ada")
    current = first
    for _ in range(6):
        await use_cases.issue("bff", subject="bob", refresh_ttl=HOUR)
        current = await use_cases.refresh("bff", current.refresh_token)
        now.advance(days=10)
        retention = Retention(store, now, audit_retention=DAY)
        await retention.prune()
        assert retention.pruned.keys() >= {"sessions", "audit_events"}
    with pytest.raises(RefusedError) as refused:
        await use_cases.refresh("bff", first.refresh_token)
    assert refused.value.reason is Reason.REFRESH_TOKEN_REUSED
    with pytest.raises(RefusedError) as refused:
        await use_cases.refresh("bff", current.refresh_token)
    assert refused.value.reason is Reason.REFRESH_TOKEN_REVOKED
    await store.close()
