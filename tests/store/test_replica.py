"""When a view comes from a read replica, and when from the database itself."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import event

from tests.fakes import FakeClock
from tests.store.fake_database import FakeDatabase
from tests.store.samples import NOW, a_session, an_access_token, sid
from tests.virtual_time import run
from tokensvc.domain.errors import RefusedError
from tokensvc.ports import SessionFilter
from tokensvc.store.replica import SKEW, Replica
from tokensvc.store.sql_store import SqlStore


class Nodes:
    """A store with a primary and a replica, both of them fakes: commits go to the first, and later to the second."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.primary, self.copy = FakeDatabase(), FakeDatabase()
        self.primary.version = self.copy.version = None
        self.store = SqlStore(self.primary, self.clock, linger=0, replica=self.copy)
        self.primary.append("first")
        self.replay("first")
        self.primary.reads = self.copy.reads = 0

    def replay(self, *keys: str) -> None:
        """Let the replica have these commits, and a beat of this moment."""
        for key in keys:
            self.copy.append(key)
        self.copy.beat(self.clock())

    async def answered_by(self, *, min_revision: int = 0, max_staleness: int = 0) -> str:
        """Ask for a view; answer who was asked for it."""
        before = self.primary.reads, self.copy.reads
        await self.store.view(min_revision=min_revision, max_staleness=max_staleness)
        asked = self.primary.reads > before[0], self.copy.reads > before[1]
        return {(True, False): "primary", (False, True): "replica", (True, True): "both", (False, False): "nobody"}[
            asked
        ]

    @property
    def lag(self) -> int | None:
        """The replica's lag."""
        assert self.store.replica is not None
        return self.store.replica.lag


@pytest.fixture
async def nodes() -> Nodes:
    """A replica that is up to date."""
    return Nodes()


async def test_a_stale_view_comes_from_the_replica(nodes: Nodes) -> None:
    """Where staleness is permitted the primary is spared."""
    assert await nodes.answered_by(max_staleness=5000) == "replica"


async def test_a_strong_view_never_touches_the_replica(nodes: Nodes) -> None:
    """Without permission the primary is asked, and alone, each time."""
    assert await nodes.answered_by() == "primary"
    assert await nodes.answered_by(min_revision=1) == "primary"


async def test_sessions_come_from_the_primary_alone(nodes: Nodes) -> None:
    """A row has nothing by which its age could be told."""
    await nodes.store.sessions_by_id([sid()])
    await nodes.store.sessions(SessionFilter(subject="ada"))
    assert (nodes.primary.reads, nodes.copy.reads) == (2, 0)


async def test_a_replica_that_is_too_far_behind_is_passed_over(nodes: Nodes) -> None:
    """A view is as old as the beat in it, and what clocks may differ: to the millisecond."""
    nodes.primary.append("second")
    nodes.clock.advance(seconds=5)
    view = await nodes.store.view(max_staleness=5000 + SKEW)
    assert view.revision == 1
    assert await nodes.answered_by(max_staleness=5000 + SKEW) == "nobody"
    nodes.clock.advance(seconds=0.001)
    assert (await nodes.store.view(max_staleness=5000 + SKEW)).revision == 2


async def test_without_a_beat_the_age_is_unknown(nodes: Nodes) -> None:
    """A replica without any beat is passed over, whatever is permitted."""
    nodes.store = SqlStore(nodes.primary, nodes.clock, linger=0, replica=FakeDatabase())
    assert await nodes.answered_by(max_staleness=10_000) == "primary"


@pytest.mark.parametrize(("ahead", "answers"), [(SKEW, "replica"), (SKEW + 1, "both")])
async def test_a_beat_of_the_future_says_nothing(nodes: Nodes, ahead: int, answers: str) -> None:
    """Clocks may differ by a little; a beat that is further ahead of our clock has an unknown age."""
    nodes.copy.beat(NOW + ahead)
    assert await nodes.answered_by(max_staleness=10_000) == answers


async def test_a_view_that_is_recent_enough_costs_nothing(nodes: Nodes) -> None:
    """While the replica's view is as new as permitted nobody is asked; afterwards the replica is, once."""
    await nodes.store.view(max_staleness=5000)
    assert await nodes.answered_by(max_staleness=5000) == "nobody"
    nodes.clock.advance(seconds=6)
    nodes.replay("second")
    assert await nodes.answered_by(max_staleness=5000) == "replica"
    assert await nodes.answered_by(max_staleness=5000) == "nobody"


async def test_what_a_strong_view_has_found_serves_the_stale_ones(nodes: Nodes) -> None:
    """If the primary's view is recent enough not even the replica is asked."""
    await nodes.store.view()
    nodes.clock.advance(seconds=4)
    assert await nodes.answered_by(max_staleness=4000) == "nobody"


async def test_a_revision_that_the_replica_lacks_comes_from_the_primary(nodes: Nodes) -> None:
    """Who demands what the replica has not got yet is answered all the same."""
    nodes.primary.append("second")
    assert await nodes.answered_by(min_revision=2, max_staleness=5000) == "both"
    with pytest.raises(RefusedError):
        await nodes.store.view(min_revision=3, max_staleness=5000)


async def test_a_revision_that_the_replica_has_comes_from_it(nodes: Nodes) -> None:
    """Read your revoke, from the replica, as soon as it knows."""
    nodes.primary.append("second")
    nodes.replay("second")
    assert await nodes.answered_by(min_revision=2, max_staleness=5000) == "replica"


@pytest.mark.parametrize("error", [None, RuntimeError("there is no table leases")], ids=["outage", "defect"])
async def test_a_replica_that_fails_is_passed_over(nodes: Nodes, error: Exception | None) -> None:
    """Whatever is wrong with it, the primary answers."""
    await nodes.store.view(max_staleness=5000)
    assert nodes.lag == SKEW
    nodes.primary.append("second")
    nodes.clock.advance(seconds=6)
    nodes.copy.fails, nodes.copy.error = 1000, error or nodes.copy.error
    assert (await nodes.store.view(max_staleness=5000)).revision == 2
    assert nodes.lag is None


async def test_the_lag_is_measured(nodes: Nodes) -> None:
    """It is what the replica was behind at the last look, at most, with what clocks may differ."""
    assert nodes.lag is None
    nodes.clock.advance(seconds=3)
    await nodes.store.view(max_staleness=10_000)
    assert nodes.lag == 3000 + SKEW


def in_virtual_time(scenario: Callable[[Nodes], Awaitable[None]]) -> None:
    """Run `scenario` where waiting takes no time."""

    async def main() -> None:
        await scenario(Nodes())

    run(main())


def test_nobody_waits_for_a_replica_that_hangs() -> None:
    """After a fifth of a second the primary is asked; the next ones do not wait at all."""

    async def scenario(nodes: Nodes) -> None:
        nodes.copy.may_answer.clear()
        loop = asyncio.get_running_loop()
        for _ in range(10):
            assert await nodes.answered_by(max_staleness=1) in {"both", "primary"}
            nodes.clock.advance(seconds=0.01)
        assert loop.time() == pytest.approx(0.2)
        nodes.copy.may_answer.set()

    in_virtual_time(scenario)


def test_a_replica_that_was_of_no_use_is_left_alone_for_a_second() -> None:
    """So that one that is down or behind costs next to nothing; then it is tried again."""

    async def scenario(nodes: Nodes) -> None:
        nodes.copy.fails = 1
        assert await nodes.answered_by(max_staleness=5000) == "both"
        nodes.clock.advance(seconds=6)
        await asyncio.sleep(0.99)
        assert await nodes.answered_by(max_staleness=5000) == "primary"
        nodes.clock.advance(seconds=6)
        nodes.replay()
        await asyncio.sleep(0.02)
        assert await nodes.answered_by(max_staleness=5000) == "replica"

    in_virtual_time(scenario)


def test_a_look_that_came_too_late_serves_those_after_it() -> None:
    """What arrives after nobody waits any more is a view like any other."""

    async def scenario(nodes: Nodes) -> None:
        replica = Replica(nodes.copy, nodes.clock)
        nodes.copy.may_answer.clear()
        assert await replica.view(min_revision=0, max_staleness=1000) is None
        nodes.copy.may_answer.set()
        await asyncio.sleep(0.001)
        view = await replica.view(min_revision=1, max_staleness=1000)
        assert view is not None
        assert nodes.copy.reads == 1

    in_virtual_time(scenario)


@pytest.mark.parametrize("looks", [0, 1], ids=["everything", "the tail"])
async def test_the_beat_is_read_before_the_log(nodes: Nodes, looks: int) -> None:
    """What is committed while the replica is being read is in the view, or the view is older than that."""
    replica = Replica(nodes.copy, nodes.clock)
    for _ in range(looks):
        await replica.view(min_revision=0, max_staleness=1000)
    nodes.clock.advance(seconds=5)
    event.listen(nodes.copy._engine, "after_cursor_execute", lambda *_: nodes.replay("in between"), once=True)
    view = await replica.view(min_revision=0, max_staleness=1000)
    assert view is None or view.has_revoked(an_access_token(a_session("in between")))
