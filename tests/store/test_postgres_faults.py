"""A transaction on PostgreSQL that fails at each of its statements in turn: nothing is half done."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.fakes import FakeClock
from tests.store.faults import FaultyEngine
from tests.store.kinds import Dump, dump_postgres, open_postgres_store
from tests.store.samples import NOW, a_session, an_entry, rotating, stored, writing
from tokensvc.domain.client import Client
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.ports import Unit
from tokensvc.store.postgres import PostgresDatabase
from tokensvc.store.sql_store import SqlStore

AUDIT = (AuditEvent("happened", at=NOW, subject="ada"),)


@pytest.fixture
async def store(path: Path, clock: FakeClock) -> AsyncIterator[SqlStore]:
    """A store with one session in it."""
    store = open_postgres_store(path, clock)
    await store.commit(writing(session=a_session()))
    yield store
    await store.close()


@pytest.fixture
def database(store: SqlStore) -> PostgresDatabase:
    """The database behind the store."""
    database = store._database
    assert isinstance(database, PostgresDatabase)
    return database


@pytest.fixture
def faulty(database: PostgresDatabase) -> FaultyEngine:
    """Has its disk run full where the test says."""
    faulty = FaultyEngine(database.dialect, database._engine.sync_engine)
    faulty.error = asyncpg.DiskFullError("could not extend file: No space left on device")
    return faulty


def a_bit_of_everything(place: int) -> list[Unit[Any]]:
    """Units that together write every table; the session "session" must be there."""
    return [
        writing(session=a_session(f"new {place}"), audit=AUDIT),
        rotating(),
        writing(client=Client(f"new-{place}"), log=(an_entry(),), audit=AUDIT),
    ]


async def commit_all(store: SqlStore, units: list[Unit[Any]]) -> list[Any]:
    """Commit `units` in one batch; answer what each caller gets, errors included."""
    return await asyncio.gather(*map(store.commit, units), return_exceptions=True)


def changed(before: Dump, after: Dump) -> set[str]:
    """The tables that differ."""
    return {name for name in before if before[name] != after[name]}


async def test_whichever_statement_fails_nothing_is_written(store: SqlStore, faulty: FaultyEngine, path: Path) -> None:
    """The disk is full at each statement of a batch in turn, COMMIT included: all is rolled back and refused."""
    before = dump_postgres(path)
    statement = 0
    while True:
        faulty.restart(fails_at=statement)
        answers = await commit_all(store, a_bit_of_everything(statement))
        if len(faulty.seen) <= statement:
            break  # there was no such statement: this time everything went well
        reasons = {answer.reason for answer in answers if isinstance(answer, RefusedError)}
        assert (len(answers), reasons) == (3, {Reason.STORE_UNAVAILABLE}), faulty.seen[-1]
        assert dump_postgres(path) == before, faulty.seen[-1]
        statement += 1
    assert faulty.seen[-1] == "COMMIT"
    written = {"sessions", "clients", "revocation_log", "log_head", "barriers", "audit_events", "audit_chains"}
    assert changed(before, dump_postgres(path)) == written


async def test_whichever_statement_cuts_the_connection_all_is_done_once(
    store: SqlStore, database: PostgresDatabase, faulty: FaultyEngine, path: Path
) -> None:
    """The connection breaks before each statement in turn: the batch is repeated, unless COMMIT was on its way."""
    connection = database._writing
    statement = 0
    while True:
        generation = (await stored(store)).generation
        before = dump_postgres(path)
        faulty.restart()
        faulty.cut_at(statement, connection)
        answers = await commit_all(store, a_bit_of_everything(statement))
        if not faulty.has_cut:
            break
        if faulty.seen[statement] == "COMMIT":
            assert {type(answer) for answer in answers} == {RefusedError}
            assert dump_postgres(path) == before
        else:
            assert [answer for answer in answers if isinstance(answer, BaseException)] == [], faulty.seen[statement]
            assert (await stored(store)).generation == generation + 1
        statement += 1
    assert "COMMIT" in faulty.seen


FAREWELL = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")


async def test_a_connection_that_is_saying_farewell_is_replaced(
    store: SqlStore, faulty: FaultyEngine, path: Path
) -> None:
    """The server ends a connection just when it is to be used, at each statement in turn: as if it had broken."""
    faulty.error = FAREWELL
    statement = 0
    while True:
        generation = (await stored(store)).generation
        faulty.restart(fails_at=statement)
        answers = await commit_all(store, [rotating()])
        if len(faulty.seen) <= statement:
            break
        if faulty.seen[statement] == "COMMIT":
            assert [answer.reason for answer in answers] == [Reason.STORE_UNAVAILABLE]
        else:
            assert [answer.outcome for answer in answers] == [generation + 1], faulty.seen[statement]
        statement += 1
    assert "COMMIT" in faulty.seen


async def test_a_look_on_such_a_connection_reads_everything_anew(store: SqlStore, faulty: FaultyEngine) -> None:
    """The readers get their view from a new connection."""
    await store.view()
    await store.commit(writing(log=(an_entry(),)))
    faulty.error = FAREWELL
    faulty.restart(fails_at=0)
    assert (await store.view()).revision == 1
    assert len(faulty.seen) > 1
