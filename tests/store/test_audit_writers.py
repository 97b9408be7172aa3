"""Writers of the audit trail that are interrupted, and several at once: the chains hold, and a watch misses nothing."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.store.faults import FaultyEngine, database_of, faulty_engine
from tests.store.kinds import Kind, only, open_postgres_store
from tests.store.samples import NOW, writing
from tests.store.test_audit import an_event, write
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.errors import RefusedError
from tokensvc.ports import AuditFilter
from tokensvc.services.audit import AuditTrail
from tokensvc.services.audit_feed import AuditFeed
from tokensvc.store.postgres import PostgresDatabase
from tokensvc.store.sql_store import SqlStore


async def chains(store: SqlStore) -> list[int]:
    """How long each chain is; all of them must hold."""
    verdict = await store.verify_audit([], 0)
    assert verdict.flaws == []
    return [head.position for head in verdict.heads]


async def test_after_a_commit_of_unknown_fate_another_chain_begins(
    sqlite_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a COMMIT is lost, but it counts: what the writer believes is never held against the database."""
    await write(sqlite_store, an_event())
    dialect = database_of(sqlite_store)._writing.dialect
    commit = dialect.do_commit

    def commit_without_answer(connection: Any) -> None:
        commit(connection)
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(dialect, "do_commit", commit_without_answer)
        with pytest.raises(RefusedError):
            await write(sqlite_store, an_event())
    await write(sqlite_store, an_event(), an_event())
    assert await chains(sqlite_store) == [2, 2]


@pytest.mark.parametrize("statement", range(6))
async def test_a_batch_that_fails_anywhere_leaves_the_chain(sqlite_store: SqlStore, statement: int) -> None:
    """Whichever statement fails, the next event goes on in the same chain."""
    await write(sqlite_store, an_event())
    faulty = faulty_engine(sqlite_store)
    faulty.restart(fails_at=statement)
    with_failure = asyncio.gather(write(sqlite_store, an_event()), return_exceptions=True)
    failed = isinstance((await with_failure)[0], RefusedError)
    faulty.restart()
    await write(sqlite_store, an_event())
    assert await chains(sqlite_store) == [2 if failed else 3]


@pytest.mark.parametrize("statement", range(5))
async def test_a_batch_that_is_repeated_is_in_the_chain_once(path: Path, clock: FakeClock, statement: int) -> None:
    """When the connection breaks before the COMMIT, PostgreSQL's transaction is run again: one chain, without a gap."""
    in_transaction = replace(writing(audit=(an_event(),)), client_id="phone")
    store = open_postgres_store(path, clock)
    database = store._database
    assert isinstance(database, PostgresDatabase)
    await write(store, an_event())
    faulty = FaultyEngine(database.dialect, database._engine.sync_engine)
    faulty.restart()
    faulty.cut_at(statement, database._writing)
    result = (await asyncio.gather(store.commit(in_transaction), return_exceptions=True))[0]
    assert faulty.has_cut
    await write(store, an_event())
    assert await chains(store) == [2 if isinstance(result, RefusedError) else 3]
    await store.close()


@only("has_log_rows")
async def test_a_watch_of_several_writers_sees_everything_once_and_in_order(
    kind: Kind, path: Path, clock: FakeClock
) -> None:
    """Two nodes write at once, and some of their transactions fail: every event that was committed comes, in order."""
    one, other = (kind.open(path, clock) for _ in range(2))
    assert isinstance(one, SqlStore)
    watch = await AuditTrail(one, AuditFeed(one, patience=1.0)).watch(AuditFilter(), 0)

    async def write_many(store: Any, name: str) -> None:
        for number in range(60):
            bad = AuditEvent("bad", NOW, details={"bad": object()})  # type: ignore[dict-item]
            units = [writing(audit=(an_event(f"{name}{number}"),)), writing(audit=(bad,))][: 2 - number % 2]
            await asyncio.gather(*map(store.commit, units), return_exceptions=True)

    seen: list[Any] = []
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for store, name in ((one, "one "), (other, "other ")):
            tasks.create_task(write_many(store, name))
        async for record in watch.records:
            seen.append(record)
            if len(seen) == 120:
                break
    assert {record.event.type for record in seen} == {f"{name} {n}" for name in ("one", "other") for n in range(60)}
    numbers = [record.sequence for record in seen]
    assert numbers == sorted(set(numbers))
    assert len(await chains(one)) == 2
    for store in (one, other):
        await store.close()
