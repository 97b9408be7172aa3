"""Several stores on one SQLite file, as several workers have them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.store.samples import a_session, an_access_token, an_entry, rotating, sid, stored, writing
from tokensvc.domain.client import Client
from tokensvc.domain.revocation import EntryKind
from tokensvc.store.sql_store import SqlStore


@pytest.fixture
def one(open_sqlite: Callable[[], SqlStore]) -> SqlStore:
    """A store."""
    return open_sqlite()


@pytest.fixture
def other(open_sqlite: Callable[[], SqlStore]) -> SqlStore:
    """Another store on the same file."""
    return open_sqlite()


async def test_a_view_is_never_older_than_a_commit_of_another_store(one: SqlStore, other: SqlStore) -> None:
    """A thousand times: what one store has committed is in the view that the other is asked for next."""
    for place in range(1000):
        name = f"session-{place}"
        revision = (await one.commit(writing(log=(an_entry(EntryKind.SESSION, sid(name)),)))).revision
        view = await other.view()
        assert view.revision == revision
        assert view.has_revoked(an_access_token(a_session(name)))


async def test_readers_beside_each_other_all_see_a_commit_of_another_store(one: SqlStore, other: SqlStore) -> None:
    """Twenty concurrent readers get a view with everything that was committed before, in each of fifty rounds."""
    for _ in range(50):
        revision = (await one.commit(writing(log=(an_entry(),)))).revision
        views = await asyncio.gather(*(other.view() for _ in range(20)))
        assert {view.revision for view in views} == {revision}


async def test_a_session_of_another_store_is_there(one: SqlStore, other: SqlStore) -> None:
    """A session that one store begins can be read and rotated by the other."""
    await one.commit(writing(session=a_session()))
    assert await stored(other) == a_session()
    assert (await other.commit(rotating())).outcome == 1
    assert (await one.commit(rotating())).outcome == 2


async def test_rotations_in_two_stores_are_one_after_the_other(one: SqlStore, other: SqlStore) -> None:
    """Of 40 rotations of one session, 20 in each store at once, none is lost."""
    await one.commit(writing(session=a_session()))
    committed = await asyncio.gather(*(store.commit(rotating()) for _ in range(20) for store in (one, other)))
    assert sorted(each.outcome for each in committed) == list(range(1, 41))


async def test_revisions_of_two_stores_are_gapless(one: SqlStore, other: SqlStore) -> None:
    """Revocations in two stores at once share one sequence of revisions without gaps or repetitions."""
    units = [writing(log=(an_entry(key=f"subject-{place}"),)) for place in range(100)]
    stores = (one, other)
    committed = await asyncio.gather(*(stores[place % 2].commit(unit) for place, unit in enumerate(units)))
    assert sorted(each.revision for each in committed) == list(range(1, 101))
    assert [(await store.view()).revision for store in stores] == [100, 100]


async def test_a_client_that_another_store_changes_is_current(one: SqlStore, other: SqlStore) -> None:
    """Registering and disabling a client in one store is in the other's next view."""
    client = Client("bff", name="BFF")
    for each in (client, replace(client, disabled=True)):
        await one.commit(writing(client=each, log=(an_entry(EntryKind.CLIENT_CHANGED, "bff"),)))
        assert (await other.view()).clients == {"bff": each}


async def test_a_barrier_of_another_store_ends_a_session(one: SqlStore, other: SqlStore) -> None:
    """A session is barred in every store as soon as one has committed the barrier."""
    await one.commit(writing(session=a_session()))
    await other.commit(writing(log=(an_entry(),)))
    row = (await one.sessions_by_id([sid()])).get(sid())
    assert row is not None
    assert row.barred
