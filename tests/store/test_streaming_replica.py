"""A real streaming replica of PostgreSQL, whose replay is stopped at will."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.postgres import Postgres
from tests.store.samples import NOW, a_session, an_access_token, an_entry, sid, stored, writing
from tokensvc.domain.revocation import EntryKind
from tokensvc.domain.view import View
from tokensvc.ports import BEAT
from tokensvc.store.migrating import upgrade_database
from tokensvc.store.postgres import PostgresDatabase
from tokensvc.store.sql_store import SqlStore

PATIENCE = 30  # seconds
TIMEOUT = 20.0


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Where the servers are: not in pytest's directories, which another run of pytest closes to other users."""
    with tempfile.TemporaryDirectory(prefix="tokensvc-replica-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def primary(directory: Path) -> Iterator[Postgres]:
    """A server that is written to."""
    server = Postgres.create(directory / "primary", fsync="off").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def copy(primary: Postgres, directory: Path) -> Iterator[Postgres]:
    """Its streaming replica."""
    server = primary.replica(directory / "copy").start()
    yield server
    server.stop()


@pytest.fixture
async def store(primary: Postgres, copy: Postgres, clock: FakeClock) -> AsyncIterator[SqlStore]:
    """A store with a session, a beat of now, and a replica that has both and stands still from there on."""
    url = primary.create_database()
    database = PostgresDatabase(url, timeout=TIMEOUT)
    await upgrade_database(database)
    replica = PostgresDatabase(copy.url(), timeout=TIMEOUT, read_only=True)
    store = SqlStore(database, clock, linger=0, replica=replica)
    await store.commit(writing(session=a_session()))
    await store.hold_lease(BEAT, "node", NOW, 5000)
    catch_up(primary, copy)
    copy.sql("SELECT pg_wal_replay_pause()", "postgres")
    await from_replica(store)
    yield store
    await store.close()
    copy.sql("SELECT pg_wal_replay_resume()", "postgres")
    primary.drop_database("tokensvc")


def catch_up(primary: Postgres, copy: Postgres) -> None:
    """Wait until the replica has replayed all that the primary has written."""
    written = primary.sql("SELECT pg_current_wal_lsn()")
    give_up = time.monotonic() + PATIENCE
    while copy.sql(f"SELECT pg_last_wal_replay_lsn() >= '{written}'", "postgres") != "t":
        assert time.monotonic() < give_up, "the replica does not follow"
        time.sleep(0.02)  # the replica only answers when asked


async def from_replica(store: SqlStore, min_revision: int = 0) -> View:
    """Wait until the replica answers: on a busy machine it may not do so as soon as a reader wants it."""
    assert store.replica is not None
    async with asyncio.timeout(PATIENCE):
        while True:
            if view := await store.replica.view(min_revision=min_revision, max_staleness=5000):
                return view
            await asyncio.sleep(0.05)


async def beat(store: SqlStore, clock: FakeClock) -> None:
    """Some seconds later, renew the beat."""
    clock.advance(seconds=6)
    assert await store.hold_lease(BEAT, "node", clock(), 5000)


async def revoke(store: SqlStore) -> int:
    """End the session; answer the revision."""
    return (await store.commit(writing(log=(an_entry(EntryKind.SESSION, sid()),)))).revision


async def test_a_stale_view_comes_from_the_replica(store: SqlStore) -> None:
    """While the replica is new enough it answers, without what it has not replayed; a strong view has everything."""
    await revoke(store)
    assert (await store.view(max_staleness=5000)).revision == 0
    assert (await store.view()).revision == 1


async def test_a_replica_that_lags_is_passed_over(store: SqlStore, clock: FakeClock) -> None:
    """Beats that do not arrive make the replica older: when it is too old the primary answers."""
    await revoke(store)
    await beat(store, clock)
    assert (await store.view(max_staleness=5000)).has_revoked(an_access_token(a_session()))


async def test_the_lag_is_what_the_replica_is_behind(store: SqlStore, clock: FakeClock) -> None:
    """While nothing is replayed the lag grows with the beats."""
    await beat(store, clock)
    assert store.replica is not None
    async with asyncio.timeout(PATIENCE):
        while store.replica.lag is None or store.replica.lag < 6000:
            assert await store.replica.view(min_revision=0, max_staleness=5000) is None
            await asyncio.sleep(0.05)


async def test_a_replica_that_goes_on_is_used_again(store: SqlStore, clock: FakeClock, copy: Postgres) -> None:
    """What it has replayed is in its view, with the beat that says so."""
    revision = await revoke(store)
    await beat(store, clock)
    copy.sql("SELECT pg_wal_replay_resume()", "postgres")
    assert (await from_replica(store, revision)).has_revoked(an_access_token(a_session()))


async def test_a_revision_that_is_not_replayed_comes_from_the_primary(store: SqlStore) -> None:
    """Who demands the revision of a revocation gets it, whatever the replica has."""
    revision = await revoke(store)
    assert (await store.view(min_revision=revision, max_staleness=5000)).revision == revision


async def test_sessions_are_read_from_the_primary(store: SqlStore) -> None:
    """A session that the replica has not got yet is there."""
    await store.commit(writing(session=a_session("new")))
    assert await stored(store, "new")


async def test_a_replica_that_is_gone_is_passed_over(store: SqlStore, copy: Postgres, clock: FakeClock) -> None:
    """The primary answers while the replica is stopped; when it is back the replica does."""
    copy.stop()
    try:
        await beat(store, clock)
        revision = await revoke(store)
        assert (await store.view(max_staleness=5000)).revision == revision
        assert store.replica is not None
        assert store.replica.lag is None
    finally:
        copy.start()
    assert (await from_replica(store, revision)).revision == revision
