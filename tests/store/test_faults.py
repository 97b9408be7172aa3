"""What happens when the database fails: nothing is half done, everybody is told, and it goes on afterwards."""

import asyncio
import sqlite3
import traceback
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.store.faults import database_of, faulty_engine, full_disk, set_where_written
from tests.store.kinds import dump_sqlite
from tests.store.samples import NOW, a_session, an_entry, rotating, sid, stored, writing
from tokensvc.domain.client import Client
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.keys import KeyPurpose, StoredKey
from tokensvc.domain.revocation import EntryKind
from tokensvc.ports import SessionFilter, Unit
from tokensvc.store.sql_store import SqlStore

UNAVAILABLE = (Reason.STORE_UNAVAILABLE, "the database is not available")
CANARY = a_session("canary", subject="canary-subject")
# Long enough that fifty sessions need new pages.
CLAIMS = '"' + "x" * 4000 + '"'


def a_bit_of_everything() -> list[Unit[Any]]:
    """Units that together write every table: the session "session" and the client "bff" must be there."""
    audit = (AuditEvent("happened", at=NOW, subject="ada"),)
    return [
        writing(session=a_session("new"), audit=audit),
        rotating(),
        writing(log=(an_entry(), an_entry(EntryKind.SESSION, sid())), audit=audit),
        writing(client=Client("bff", name="changed"), log=(an_entry(EntryKind.CLIENT_CHANGED, "bff"),)),
        writing(client=Client("new"), log=(an_entry(EntryKind.CLIENT_CHANGED, "new"),)),
    ]


@pytest.fixture
async def store(sqlite_store: SqlStore) -> SqlStore:
    """A store with one session and one client."""
    await sqlite_store.commit(writing(session=a_session()))
    await sqlite_store.commit(writing(client=Client("bff"), log=(an_entry(EntryKind.CLIENT_CHANGED, "bff"),)))
    return sqlite_store


async def commit_all(store: SqlStore, units: list[Unit[Any]]) -> list[Any]:
    """Commit `units` in one batch; answer what each caller gets, errors included."""
    return await asyncio.gather(*map(store.commit, units), return_exceptions=True)


def told(answers: list[Any]) -> set[tuple[Reason, str]]:
    """What the callers were told, all of whom must have been refused."""
    assert all(isinstance(answer, RefusedError) for answer in answers), answers
    return {(answer.reason, answer.message) for answer in answers}


def is_locked(path: Path) -> bool:
    """Whether somebody holds the right to write."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


@pytest.mark.parametrize(
    "error",
    [sqlite3.OperationalError("disk I/O error"), sqlite3.DatabaseError("database disk image is malformed")],
    ids=["input/output", "malformed"],
)
async def test_whichever_statement_fails_nothing_is_written(store: SqlStore, path: Path, error: Exception) -> None:
    """Each statement of a batch fails in turn, BEGIN and COMMIT included: all of it is rolled back and refused."""
    faulty = faulty_engine(store)
    faulty.error = error
    before = dump_sqlite(path)
    statement = 0
    while True:
        faulty.restart(fails_at=statement)
        answers = await commit_all(store, a_bit_of_everything())
        if len(faulty.seen) <= statement:
            break  # there was no such statement: this time everything went well
        assert told(answers) == {UNAVAILABLE}, faulty.seen[-1]
        assert dump_sqlite(path) == before, faulty.seen[-1]
        assert not is_locked(path), faulty.seen[-1]
        statement += 1
    assert faulty.seen[0] == "BEGIN IMMEDIATE"
    assert faulty.seen[-1] == "COMMIT"
    changed = {name for name, rows in dump_sqlite(path).items() if rows != before[name]}
    assert changed == {"sessions", "clients", "revocation_log", "log_head", "barriers", "audit_events", "audit_chains"}


async def test_the_batch_after_a_failed_commit_works(store: SqlStore) -> None:
    """A COMMIT that fails takes no revision, and what comes next is a transaction of its own."""
    faulty = faulty_engine(store)
    await store.commit(rotating())
    faulty.restart(fails_at=len(faulty.seen) - 1)
    assert told(await commit_all(store, [rotating()])) == {UNAVAILABLE}
    assert faulty.seen[-1] == "COMMIT"
    assert (await store.commit(rotating())).outcome == 2
    assert (await store.commit(writing(log=(an_entry(),)))).revision == 2


async def test_the_callers_see_a_refusal_and_the_operator_the_cause(store: SqlStore) -> None:
    """The refusal has the driver's words as its cause, but nothing of what was to be written."""
    faulty = faulty_engine(store)
    await store.commit(writing(session=a_session("first")))
    faulty.restart(fails_at=len(faulty.seen) - 2)
    with pytest.raises(RefusedError) as refused:
        await store.commit(writing(session=CANARY))
    told_the_operator = "".join(traceback.format_exception(refused.value))
    assert "INSERT INTO sessions" in faulty.seen[-1]
    assert "disk I/O error" in told_the_operator
    assert "canary-subject" not in told_the_operator
    assert "I/O" not in str(refused.value)


READS: dict[str, Callable[[SqlStore], Awaitable[Any]]] = {
    "view": lambda store: store.view(),
    "sessions_by_id": lambda store: store.sessions_by_id([sid()]),
    "sessions": lambda store: store.sessions(SessionFilter()),
    "keys": lambda store: store.keys(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_a_read_that_fails_is_refused(store: SqlStore, read: Callable[[SqlStore], Awaitable[Any]]) -> None:
    """Whichever statement of a read fails, the caller is refused rather than answered with less; then it works."""
    faulty = faulty_engine(store, reading=True)
    for statement in range(2):
        faulty.restart(fails_at=statement)
        with pytest.raises(RefusedError) as refused:
            await read(store)
        assert (refused.value.reason, refused.value.message) == UNAVAILABLE
    faulty.restart()
    assert await read(store) is not None


async def test_a_view_is_not_answered_from_before_a_failed_read(store: SqlStore) -> None:
    """When the log cannot be read, the view that was there before is not good enough."""
    await store.view()
    await store.commit(writing(log=(an_entry(),)))
    faulty = faulty_engine(store, reading=True)
    faulty.restart(fails_at=0, times=2)
    with pytest.raises(RefusedError):
        await store.view()
    assert (await store.view()).revision == 2


async def test_a_store_that_cannot_ask_for_changes_answers_no_view(store: SqlStore) -> None:
    """When not even the data version can be had, there is no telling how old the view is."""
    await store.view()
    database_of(store)._watch.close()
    with pytest.raises(RefusedError) as refused:
        await store.view()
    assert (refused.value.reason, refused.value.message) == UNAVAILABLE
    assert isinstance(refused.value.__cause__, sqlite3.Error)


@pytest.mark.parametrize(
    "defect",
    [
        writing(session=a_session("session")),
        writing(client=Client("bad", created_at=object())),
        writing(audit=(AuditEvent("bad", at=NOW, details={"bad": object()}),)),
        writing(session=a_session("bad", subject="\ud800")),
    ],
    ids=["a row that is there already", "a value of no type", "a document of no type", "half a character"],
)
async def test_a_unit_that_cannot_be_written_fails_alone(store: SqlStore, defect: Unit[None]) -> None:
    """A defect in what one unit writes concerns its caller alone, and is not taken for an outage."""
    units = [writing("before", session=a_session("one")), defect, writing("after", session=a_session("two"))]
    before, failed, after = await commit_all(store, units)
    assert (before.outcome, after.outcome) == ("before", "after")
    assert isinstance(failed, Exception)
    assert not isinstance(failed, RefusedError)
    assert await stored(store, "one")
    assert await stored(store, "two")
    assert await store.sessions_by_id([sid("bad")]) == {}


async def test_a_defect_shows_nothing_of_what_was_to_be_written(store: SqlStore) -> None:
    """What is logged of a unit that could not be written does not contain its values."""
    await store.commit(writing(session=CANARY))
    (failed,) = await commit_all(store, [writing(session=CANARY)])
    assert isinstance(failed, Exception)
    assert "canary-subject" not in "".join(traceback.format_exception(failed))


async def test_a_read_only_database_refuses_until_it_can_be_written(store: SqlStore, path: Path) -> None:
    """While the file cannot be written, commits are refused and reads are served; then both work."""
    before = dump_sqlite(path)
    set_where_written(store, "query_only = ON")
    assert told(await commit_all(store, a_bit_of_everything())) == {UNAVAILABLE}
    assert (await stored(store)).generation == 0
    assert dump_sqlite(path) == before
    set_where_written(store, "query_only = OFF")
    assert (await store.commit(rotating())).outcome == 1


async def test_a_full_database_refuses_until_there_is_room(store: SqlStore, path: Path) -> None:
    """When the file may not grow, a batch that needs room is rolled back and refused; then it works."""
    before = dump_sqlite(path)
    (pages,) = set_where_written(store, "page_count")
    set_where_written(store, f"max_page_count = {pages}")
    units = [writing(session=a_session(f"new-{place}", claims=CLAIMS)) for place in range(50)]
    assert told(await commit_all(store, units)) == {UNAVAILABLE}
    assert dump_sqlite(path) == before
    assert (await store.view()).revision == 1
    set_where_written(store, "max_page_count = 1000000")
    assert [each.outcome for each in await commit_all(store, units)] == [None] * 50


async def test_a_full_disk_refuses_until_there_is_room(store: SqlStore, path: Path) -> None:
    """When the operating system takes no more bytes, commits are refused and reads served; then both work."""
    before = dump_sqlite(path)
    with full_disk(path):
        assert told(await commit_all(store, a_bit_of_everything())) == {UNAVAILABLE}
        assert (await stored(store)).generation == 0
    assert dump_sqlite(path) == before
    assert not is_locked(path)
    answers = await commit_all(store, a_bit_of_everything())
    assert [answer.revision for answer in answers] == [0, 0, 3, 4, 5]


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.commit(rotating()),
        lambda store: store.prune(NOW, 1),
        lambda store: store.add_first_keys([StoredKey("k1", KeyPurpose.SIGNING, "", NOW, NOW, b"")]),
    ],
    ids=["commit", "prune", "add_first_keys"],
)
async def test_a_lock_that_is_held_too_long_is_an_outage(
    store: SqlStore, path: Path, write: Callable[[SqlStore], Awaitable[Any]]
) -> None:
    """While somebody else holds the write lock beyond all patience, writes are refused and reads served."""
    set_where_written(store, "busy_timeout = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RefusedError) as refused:
            await write(store)
        assert (refused.value.reason, refused.value.message) == UNAVAILABLE
        assert (await store.view()).revision == 1
    await write(store)
