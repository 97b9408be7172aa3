"""How a node follows the log, and how few looks at the database that takes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests import virtual_time
from tests.fakes import FakeClock
from tests.store.fake_database import FakeDatabase
from tests.store.samples import a_session, an_access_token
from tokensvc.domain.errors import RefusedError
from tokensvc.domain.view import View
from tokensvc.store.follower import Follower


@pytest.fixture
async def database() -> AsyncIterator[FakeDatabase]:
    """A database with an empty log."""
    database = FakeDatabase()
    yield database
    await database.close()


@pytest.fixture
def follower(database: FakeDatabase, clock: FakeClock) -> Follower:
    """A follower that has not looked yet."""
    return Follower(database, clock)


def viewing(follower: Follower, *, min_revision: int = 0, max_staleness: int = 0) -> "asyncio.Task[View]":
    """A reader that has arrived."""
    return asyncio.create_task(follower.view(min_revision=min_revision, max_staleness=max_staleness))


async def loop_passes(count: int = 10) -> None:
    """Let everything that is ready go on."""
    for _ in range(count):
        await asyncio.sleep(0)


def ends(view: View, session_id: str) -> bool:
    """Whether a session's access tokens are revoked in `view`."""
    return view.has_revoked(an_access_token(a_session(session_id)))


async def test_nothing_is_read_while_nothing_has_changed(follower: Follower, database: FakeDatabase) -> None:
    """After the first look an unchanged version is proof enough."""
    await viewing(follower)
    for _ in range(10):
        await viewing(follower)
    assert database.reads == 1


async def test_readers_of_one_moment_share_a_comparison(follower: Follower, database: FakeDatabase) -> None:
    """Fifty readers that are ready together ask for the version once; who comes after them asks again."""
    await viewing(follower)
    database.comparisons = 0
    await asyncio.gather(*(viewing(follower) for _ in range(50)))
    assert database.comparisons == 1
    await viewing(follower)
    assert database.comparisons == 2


async def test_a_change_is_read_once(follower: Follower, database: FakeDatabase) -> None:
    """A new version costs one more read, whoever asks."""
    await viewing(follower)
    database.append("one")
    for _ in range(10):
        assert ends(await viewing(follower), "one")
    assert database.reads == 2


async def test_where_only_a_read_can_tell_every_call_reads(follower: Follower, database: FakeDatabase) -> None:
    """Without a version number each call looks, and sees what was committed before it."""
    database.version = None
    for place in range(1, 4):
        database.append(str(place))
        assert (await viewing(follower)).revision == place
    assert database.reads == 3


@pytest.mark.parametrize("has_version", [True, False])
async def test_readers_that_wait_share_a_look(follower: Follower, database: FakeDatabase, *, has_version: bool) -> None:
    """Fifty readers that arrive during a look share one look after it."""
    database.version = 1 if has_version else None
    await viewing(follower)
    database.append("one")
    database.may_answer.clear()
    first = viewing(follower)
    await loop_passes()
    database.append("two")
    waiting = [viewing(follower) for _ in range(50)]
    await loop_passes()
    database.may_answer.set()
    views = await asyncio.gather(first, *waiting)
    assert all(ends(view, "two") for view in views[1:])
    assert database.reads == 3


async def test_who_arrives_during_a_look_is_not_answered_from_it(follower: Follower, database: FakeDatabase) -> None:
    """A look that has begun may have missed a commit that the reader must see, so the reader gets the next one."""
    await viewing(follower)
    database.append("one")
    database.may_answer.clear()
    first = viewing(follower)
    await loop_passes()
    database.append("two")
    second = viewing(follower, min_revision=2)
    await loop_passes()
    database.may_answer.set()
    await first
    assert (await second).revision == 2


async def test_a_failed_look_is_no_answer_for_those_who_wait(follower: Follower, database: FakeDatabase) -> None:
    """Who arrived during a look that fails is answered by another look, with what it must see."""
    await viewing(follower)
    database.append("one")
    database.fails = 2  # the tail, and then everything
    database.may_answer.clear()
    first = viewing(follower)
    await loop_passes()
    waiting = [viewing(follower) for _ in range(5)]
    await loop_passes()
    database.may_answer.set()
    with pytest.raises(RefusedError):
        await first
    assert all(ends(view, "one") for view in await asyncio.gather(*waiting))


async def test_a_failed_look_fails_everybody_it_was_for(follower: Follower, database: FakeDatabase) -> None:
    """No reader is answered from an old view when the database cannot be asked, and the next look works."""
    await viewing(follower)
    database.append("one")
    database.fails = 1000
    answers = await asyncio.gather(*(viewing(follower) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [RefusedError] * 3
    assert len(set(map(id, answers))) == 3, "each raises one of its own, so that their tracebacks do not mix"
    database.fails = 0
    assert ends(await viewing(follower), "one")


async def test_after_a_failure_everything_is_read_again(follower: Follower, database: FakeDatabase) -> None:
    """Behind a failure may be a copy that lacked the last entries, and has given their revisions to others."""
    await viewing(follower)
    database.append("lost")
    assert ends(await viewing(follower), "lost")
    database.set_back()
    database.append("another")
    database.fails = 1
    view = await viewing(follower)
    assert (ends(view, "lost"), ends(view, "another"), view.revision) == (False, True, 1)


async def test_the_first_look_may_fail(follower: Follower, database: FakeDatabase) -> None:
    """A follower that starts while the database is away works as soon as it is back."""
    database.fails = 1000
    with pytest.raises(RefusedError):
        await viewing(follower)
    database.fails = 0
    assert (await viewing(follower)).revision == 0


async def test_a_reader_that_goes_away_leaves_the_look_to_the_others(
    follower: Follower, database: FakeDatabase
) -> None:
    """The one who caused the look is cancelled; who waits with it is answered."""
    database.append("one")
    database.may_answer.clear()
    leaving, staying = viewing(follower), viewing(follower)
    await loop_passes()
    leaving.cancel()
    await loop_passes()
    database.may_answer.set()
    assert ends(await staying, "one")


async def test_a_gap_in_the_log_leads_to_a_full_read(follower: Follower, database: FakeDatabase) -> None:
    """When entries that were missed are pruned, the view is made anew from what is left."""
    await viewing(follower)
    database.append("one")
    database.append("two")
    database.prune()
    view = await viewing(follower)
    assert view.revision == 2
    assert (ends(view, "one"), ends(view, "two")) == (False, True)


async def test_a_log_that_was_set_back_leads_to_a_full_read(follower: Follower, database: FakeDatabase) -> None:
    """A database that comes back with less than was seen is followed from where it stands."""
    database.append("one")
    await viewing(follower)
    database.set_back()
    view = await viewing(follower)
    assert view.revision == 0
    database.append("two")
    assert ends(await viewing(follower), "two")


async def test_a_permitted_staleness_is_used(follower: Follower, database: FakeDatabase, clock: FakeClock) -> None:
    """A view as old as permitted is answered without asking the database; one that is older is not."""
    await viewing(follower)
    database.append("one")
    clock.advance(seconds=5)
    assert not ends(await viewing(follower, max_staleness=5000), "one")
    clock.advance(seconds=0.001)
    assert ends(await viewing(follower, max_staleness=5000), "one")


async def test_a_comparison_makes_the_view_fresh(follower: Follower, database: FakeDatabase, clock: FakeClock) -> None:
    """An unchanged version counts as a synchronisation: staleness is measured from there."""
    await viewing(follower)
    clock.advance(seconds=60)
    await viewing(follower)
    database.append("one")
    assert not ends(await viewing(follower, max_staleness=1000), "one")


async def test_a_view_is_as_old_as_the_beginning_of_its_look(
    follower: Follower, database: FakeDatabase, clock: FakeClock
) -> None:
    """A look that took ten seconds answers with a view that is ten seconds old."""
    database.may_answer.clear()
    slow = viewing(follower)
    await loop_passes()
    database.append("one")
    clock.advance(seconds=10)
    database.may_answer.set()
    assert not ends(await slow, "one")
    assert ends(await viewing(follower, max_staleness=5000), "one")


async def test_a_clock_that_is_set_back_permits_no_staleness(
    follower: Follower, database: FakeDatabase, clock: FakeClock
) -> None:
    """A view that seems to come from the future has an unknown age, so the database is asked."""
    await viewing(follower)
    database.append("one")
    clock.advance(seconds=-3600)
    assert ends(await viewing(follower, max_staleness=1000), "one")


async def test_a_demanded_revision_goes_before_staleness(follower: Follower, database: FakeDatabase) -> None:
    """Who demands a revision that the view has not reached gets a look, whatever staleness is permitted."""
    await viewing(follower)
    database.append("one")
    assert (await viewing(follower, min_revision=1, max_staleness=60_000)).revision == 1


async def test_a_revision_that_was_seen_costs_no_read(follower: Follower, database: FakeDatabase) -> None:
    """A demand that the view has reached already permits the staleness that was named with it."""
    database.append("one")
    await viewing(follower)
    database.append("two")
    assert (await viewing(follower, min_revision=1, max_staleness=60_000)).revision == 1
    assert database.reads == 1


async def test_what_is_dead_is_forgotten(follower: Follower, database: FakeDatabase, clock: FakeClock) -> None:
    """When the last access tokens that an entry concerns are long dead, it takes no room any more."""
    database.append("one")
    await viewing(follower)
    clock.advance(days=2)
    database.append("two")
    view = await viewing(follower)
    assert not ends(view, "one")


@pytest.mark.parametrize(("waiting", "reads"), [(3, 2), (1, 3)], ids=["several", "few"])
def test_a_look_that_several_wait_for_lingers(waiting: int, reads: int) -> None:
    """Who comes just after a look has ended still gets into the next one, if several wait for that; few never wait."""

    async def scenario() -> int:
        database = FakeDatabase()
        database.version = None  # as a database that only a read can tell of
        follower = Follower(database, FakeClock(), linger=0.002)
        await viewing(follower)
        database.reads = 0
        database.may_answer.clear()
        first = viewing(follower)
        await loop_passes()
        others = [viewing(follower) for _ in range(waiting)]
        await loop_passes()
        database.may_answer.set()
        await first
        await loop_passes()
        await asyncio.gather(*others, viewing(follower))
        await database.close()
        return database.reads

    assert virtual_time.run(scenario()) == reads
