"""What is particular to SQLite: durability, locks, snapshots, and letting go of the file."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Connection, insert, select, text

from tests.fakes import FakeClock
from tests.store.kinds import open_sqlite_store
from tests.store.samples import a_session, an_entry, sid, writing
from tokensvc.store import schema
from tokensvc.store.migrating import upgrade_sqlite
from tokensvc.store.sqlite import SqliteDatabase

A_KEY = {"purpose": "signing", "algorithm": "", "state": "active", "created_at": 0, "wrapped": b"", "public_jwk": ""}


@pytest.fixture
async def database(path: Path) -> AsyncIterator[SqliteDatabase]:
    """An empty database."""
    upgrade_sqlite(path)
    database = SqliteDatabase(path)
    yield database
    await database.close()


def another(path: Path) -> "closing[sqlite3.Connection]":
    """A connection of somebody else, who does not wait for locks."""
    return closing(sqlite3.connect(path, timeout=0, isolation_level=None))


async def add_key(database: SqliteDatabase, key_id: str) -> None:
    """Commit a row."""
    await database.write(lambda connection: connection.execute(insert(schema.keys).values(key_id=key_id, **A_KEY)))


def key_ids(connection: Connection) -> list[str]:
    """The rows that are there."""
    return list(connection.execute(select(schema.keys.c.key_id)).scalars())


async def test_the_connection_that_writes_syncs_every_commit(database: SqliteDatabase) -> None:
    """Where rows are written, the journal is a write-ahead log and every commit is synced in full."""

    def ask(connection: Connection) -> tuple[str, int]:
        names = ("journal_mode", "synchronous")
        journal_mode, synchronous = (connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in names)
        return journal_mode, synchronous

    assert await database.write(ask) == ("wal", 2)


async def test_the_database_says_how_durable_it_is(database: SqliteDatabase) -> None:
    """The settings can be read while the database is in use, and using it goes on."""
    await add_key(database, "before")
    assert await database.settings() == {"journal_mode": "wal", "synchronous": "full"}
    await add_key(database, "after")
    assert await database.read(key_ids) == ["after", "before"]


async def test_a_write_holds_the_lock_from_its_beginning(database: SqliteDatabase, path: Path) -> None:
    """Before a transaction has written anything, nobody else can begin to write: what it reads stays true."""

    def work(_connection: Connection) -> None:
        with another(path) as other, pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")

    await database.write(work)


async def test_a_read_sees_one_state(database: SqliteDatabase, path: Path) -> None:
    """A commit in the middle of a read succeeds and does not show in it."""

    def work(connection: Connection) -> tuple[list[str], list[str]]:
        before = key_ids(connection)
        with another(path) as other:
            other.execute("DELETE FROM keys")
        return before, key_ids(connection)

    await add_key(database, "one")
    assert await database.read(work) == (["one"], ["one"])
    assert await database.read(key_ids) == []


async def test_a_read_waits_for_no_write(database: SqliteDatabase) -> None:
    """While a transaction writes, readers are answered from the state before it."""
    reading = threading.Event()

    def work(connection: Connection) -> bool:
        connection.execute(insert(schema.keys).values(key_id="one", **A_KEY))
        return reading.wait(timeout=30)

    write = asyncio.create_task(database.write(work))
    assert await database.read(key_ids) == []
    reading.set()
    assert await write
    assert await database.read(key_ids) == ["one"]


async def test_work_that_raises_leaves_nothing(database: SqliteDatabase) -> None:
    """What was written before an exception is rolled back, and the next transaction is a new one."""

    def work(connection: Connection) -> None:
        connection.execute(insert(schema.keys).values(key_id="one", **A_KEY))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(work)
    await add_key(database, "two")
    assert await database.read(key_ids) == ["two"]


async def test_the_data_version_moves_with_every_commit_and_with_nothing_else(
    database: SqliteDatabase, path: Path
) -> None:
    """Commits of this process and of others change it; reads and rolled back writes do not."""
    seen = [database.data_version()]
    await add_key(database, "one")
    seen.append(database.data_version())
    with another(path) as other:
        other.execute("DELETE FROM keys")
    seen.append(database.data_version())
    assert len(set(seen)) == 3
    await database.read(key_ids)
    with pytest.raises(ZeroDivisionError):
        await database.write(lambda _connection: 1 // 0)
    assert database.data_version() == seen[-1]


async def test_asking_for_the_data_version_holds_no_lock(database: SqliteDatabase, path: Path) -> None:
    """After asking, the write-ahead log can be moved into the file and emptied: it does not grow for ever."""
    await add_key(database, "one")
    await database.read(key_ids)
    database.data_version()
    with another(path) as other:
        blocked, left, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert (blocked, left) == (0, 0)


async def test_closing_finishes_what_was_begun(path: Path, clock: FakeClock) -> None:
    """Commits that are queued when the store is closed are answered and durable."""
    store = open_sqlite_store(path, clock)
    units = [writing(session=a_session(f"session-{place}")) for place in range(3)]
    commits = [asyncio.create_task(store.commit(unit)) for unit in units]
    await asyncio.sleep(0)  # all are queued now
    await store.close()
    assert all(commit.done() and commit.exception() is None for commit in commits)
    with another(path) as other:
        assert other.execute("SELECT count(*) FROM sessions").fetchone() == (3,)


async def test_closing_lets_go_of_everything(path: Path, clock: FakeClock) -> None:
    """A closed store holds no file and no thread, whatever it was used for."""
    threads = set(threading.enumerate())
    store = open_sqlite_store(path, clock)
    await store.commit(writing(session=a_session(), log=(an_entry(),)))
    await store.view()
    await store.sessions_by_id([sid()])
    assert held_files(path)
    await store.close()
    assert held_files(path) == []
    assert set(threading.enumerate()) == threads


def held_files(path: Path) -> list[str]:
    """The database's files that this process has open."""
    return [file.path for file in psutil.Process().open_files() if file.path.startswith(str(path))]


async def test_a_new_file_that_another_process_is_preparing_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite turns away who switches a file to WAL mode while another writes it: it is tried again until it works."""
    with another(path) as other:
        other.execute("CREATE TABLE not_yet_wal (x)")
        other.execute("BEGIN IMMEDIATE")
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                other.execute("COMMIT")

        monkeypatch.setattr("tokensvc.store.sqlite.time.sleep", sleep)
        upgrade_sqlite(path)
    assert len(waits) == 3
