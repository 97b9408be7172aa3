"""Deleting what nothing needs any more, on every kind of store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.fakes import FakeClock
from tests.store.kinds import ON_POSTGRES, Kind, only, postgres_url
from tests.store.samples import NOW, a_session, an_access_token, an_entry, sid, writing
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.revocation import EntryKind
from tokensvc.domain.view import GRACE
from tokensvc.ports import SessionFilter, Store
from tokensvc.store.sql_store import SqlStore


async def begin_all(store: Store, *expiries: int) -> None:
    """Write a session for each moment of expiry, named by it."""
    sessions = [a_session(str(expires_at), expires_at=expires_at) for expires_at in expiries]
    await asyncio.gather(*(store.commit(writing(session=session)) for session in sessions))


async def left(store: Store) -> set[str]:
    """The ids of all sessions."""
    return {row.session.grant.session_id for row in await store.sessions(SessionFilter(limit=1000))}


async def test_a_session_is_kept_for_the_grace_after_it_expired(store: Store) -> None:
    """Only sessions that expired longer ago than the grace are deleted."""
    await begin_all(store, NOW - GRACE - 1, NOW - GRACE, NOW - 1, NOW + 1)
    assert await store.prune(NOW, 100) == {"sessions": 1}
    assert await left(store) == {sid(str(NOW - GRACE)), sid(str(NOW - 1)), sid(str(NOW + 1))}


async def test_pruning_goes_in_limited_steps(store: Store) -> None:
    """One call deletes no more than its limit; repeated calls delete everything, then nothing."""
    await begin_all(store, *range(10))
    assert [(await store.prune(NOW, 4)).total() for _ in range(4)] == [4, 4, 2, 0]
    assert await left(store) == set()


@only("has_log_rows")
async def test_log_entries_and_barriers_are_kept_for_the_grace(store: Store, kind: Kind, path: Path) -> None:
    """The log's rows go by the life of access tokens, the barriers by that of sessions, both after the grace."""
    old, kept = NOW - GRACE - 1, NOW - GRACE
    await store.commit(writing(log=(an_entry(key="log gone", expires_at=old, barrier_expires_at=kept),)))
    await store.commit(writing(log=(an_entry(key="barrier gone", expires_at=kept, barrier_expires_at=old),)))
    assert await store.prune(NOW, 100) == {"revocation_log": 1, "barriers": 1}
    rows = kind.dump(path)
    assert [row[2] for row in rows["revocation_log"]] == ["barrier gone"]
    assert [row[1] for row in rows["barriers"]] == ["log gone"]


@only("has_log_rows")
async def test_each_table_has_its_own_limit(store: Store, kind: Kind, path: Path) -> None:
    """A call deletes up to its limit from each table, so that a full table does not hold up the others."""
    await begin_all(store, *range(5))
    entries = tuple(an_entry(key=str(place), expires_at=1, barrier_expires_at=1) for place in range(5))
    await store.commit(writing(log=entries))
    assert await store.prune(NOW, 3) == {"sessions": 3, "revocation_log": 3, "barriers": 3}
    rows = kind.dump(path)
    assert (len(rows["sessions"]), len(rows["revocation_log"]), len(rows["barriers"])) == (2, 2, 2)


async def test_the_oldest_go_first(store: Store) -> None:
    """Where a limit keeps some for the next time, these are the ones that expired last."""
    await begin_all(store, 3, 1, 4, 2)
    await store.prune(NOW, 2)
    assert await left(store) == {sid("3"), sid("4")}


async def audit(store: Store, *moments: int) -> None:
    """Write an audit event for each moment, in this order."""
    for at in moments:
        await store.commit(writing(audit=(AuditEvent("happened", at=at),)))


def audited(kind: Kind, path: Path) -> list[int]:
    """The moments of the audit events that are left."""
    return sorted(row[1] for row in kind.dump(path)["audit_events"])


@only("has_log_rows")
async def test_audit_events_go_by_a_moment_of_their_own(store: Store, kind: Kind, path: Path) -> None:
    """Events from before the moment are deleted, in limited steps and the oldest first; the others are kept."""
    await audit(store, 1, 2, 3, 4, 5)
    assert await store.prune(NOW, 2, audit_before=4) == {"audit_events": 2}
    assert audited(kind, path) == [3, 4, 5]
    assert await store.prune(NOW, 2, audit_before=4) == {"audit_events": 1}
    assert audited(kind, path) == [4, 5]


@only("has_log_rows")
async def test_without_a_moment_audit_events_are_kept(store: Store, kind: Kind, path: Path) -> None:
    """Zero keeps them all, however old they are."""
    await audit(store, 0, 1)
    assert await store.prune(NOW, 100) == {}
    assert audited(kind, path) == [0, 1]


@only("has_log_rows")
async def test_a_young_audit_event_holds_up_its_own_chain_alone(
    store: Store, kind: Kind, path: Path, clock: FakeClock
) -> None:
    """Of two nodes whose clocks differ each has a chain, which goes from its beginning on."""
    other = kind.open(path, clock)
    await audit(store, 1, 9, 2)
    await audit(other, 3, 4, 8)
    assert await store.prune(NOW, 10, audit_before=5) == {"audit_events": 3}
    assert audited(kind, path) == [2, 8, 9]
    await other.close()


@only("has_log_rows")
@pytest.mark.parametrize("expiries", [(1, NOW), (NOW, 1)], ids=["shorter first", "longer first"])
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
async def test_a_barrier_that_is_raised_twice_lives_as_long_as_the_longer(
    store: Store, expiries: tuple[int, ...], *, together: bool
) -> None:
    """Of two barriers for one subject the one with the longer life is not forgotten with the other."""
    await store.commit(writing(session=a_session()))
    entries = [an_entry(barrier_expires_at=expires_at) for expires_at in expiries]
    for log in [tuple(entries)] if together else [(entry,) for entry in entries]:
        await store.commit(writing(log=log))
    await store.prune(NOW, 100)
    row = (await store.sessions_by_id([sid()])).get(sid())
    assert row is not None
    assert row.barred


async def test_revisions_go_on_after_the_log_was_pruned(store: Store) -> None:
    """The next revocation gets the next revision, though no entry is left."""
    await store.commit(writing(log=(an_entry(expires_at=1), an_entry(expires_at=1))))
    await store.prune(NOW, 100)
    assert (await store.commit(writing(log=(an_entry(),)))).revision == 3
    assert (await store.view()).revision == 3


async def test_a_view_that_is_behind_a_pruned_log_catches_up(open_sqlite: Callable[[], SqlStore]) -> None:
    """A store that has missed entries which are pruned since gets everything that still counts."""
    behind, ahead = open_sqlite(), open_sqlite()
    await behind.view()
    await ahead.commit(writing(log=(an_entry(EntryKind.SESSION, "old", expires_at=1),)))
    await ahead.commit(writing(log=(an_entry(EntryKind.SESSION, sid()),)))
    await ahead.prune(NOW, 100)
    view = await behind.view()
    assert view.revision == 2
    assert view.has_revoked(an_access_token(a_session()))


@asynccontextmanager
async def another_at(path: Path, statement: str) -> AsyncIterator[asyncpg.transaction.Transaction]:
    """A transaction of somebody else, under way, that has run `statement`."""
    connection = await asyncpg.connect(postgres_url(path))
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(statement)
    yield transaction
    await connection.close()


@ON_POSTGRES
async def test_a_barrier_that_is_just_being_raised_again_is_kept(store: Store, kind: Kind, path: Path) -> None:
    """An expired barrier that another node is making last longer is not deleted, before its commit and after it."""
    await store.commit(writing(log=(an_entry(expires_at=NOW, barrier_expires_at=1),)))
    async with another_at(path, f"UPDATE barriers SET expires_at = {NOW}") as raising:
        assert await store.prune(NOW, 100) == {}
        await raising.commit()
    assert await store.prune(NOW, 100) == {}
    assert len(kind.dump(path)["barriers"]) == 1


@ON_POSTGRES
async def test_pruning_does_not_wait_for_the_traffic(store: Store, path: Path) -> None:
    """A session that another node has locked is passed over, and goes the next time."""
    await begin_all(store, 1, 2)
    async with another_at(path, "SELECT 1 FROM sessions WHERE expires_at = 1 FOR UPDATE") as refreshing:
        assert await store.prune(NOW, 100) == {"sessions": 1}
        await refreshing.rollback()
    assert await store.prune(NOW, 100) == {"sessions": 1}
