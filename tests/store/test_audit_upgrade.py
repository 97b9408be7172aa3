"""Audit events from before there were chains."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.fakes import FakeClock
from tests.store.kinds import empty_postgres_database
from tests.store.samples import NOW
from tests.store.test_audit import an_event, names, write
from tokensvc.domain.audit_verdict import NO_CHAIN, AuditHead
from tokensvc.ports import AuditQuery
from tokensvc.store.database import Database
from tokensvc.store.migrating import downgrade, upgrade
from tokensvc.store.sql_store import SqlStore
from tokensvc.store.sqlite import SqliteDatabase

BEFORE = "0003"


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, path: Path) -> Any:
    """A database of the version before, with two events in it."""
    database: Database = SqliteDatabase(path) if request.param == "sqlite" else empty_postgres_database(path)
    await database.write(partial(upgrade, revision=BEFORE))
    await database.write(insert_as_before)
    yield database
    await database.close()


def insert_as_before(connection: Connection) -> None:
    """Write two events as the version before has done it."""
    columns = "at, type, caller, client_id, subject, session_id, reason, ip, details"
    for name in ("one", "two"):
        values = f"({NOW}, '{name}', 'bff', 'app', 'ada', 's', 'r', '::1', '{{\"n\": 1}}')"
        connection.execute(text(f"INSERT INTO audit_events ({columns}) VALUES {values}".replace(":1", "\\:1")))


async def test_events_from_before_are_read_and_numbers_go_on(database: Database, clock: FakeClock) -> None:
    """They have their numbers and no hash; what is written now follows them, in a chain."""
    await database.write(upgrade)
    store = SqlStore(database, clock, linger=0)
    await write(store, an_event("three"))
    records = (await store.audit_events(AuditQuery())).records
    assert [(record.event.type, record.sequence) for record in records] == [("one", 1), ("two", 2), ("three", 3)]
    assert [len(record.chain_hash) for record in records] == [0, 0, 32]
    assert (records[0].event.subject, records[0].event.details) == ("ada", {"n": 1})
    verdict = await store.verify_audit([], 0)
    assert (verdict.events, verdict.unchained, verdict.flaws) == (1, 2, [])


async def test_a_node_of_the_version_before_goes_on_writing(database: Database, clock: FakeClock) -> None:
    """While nodes are replaced their events come without a chain. That is said, until it is expected."""
    await database.write(upgrade)
    store = SqlStore(database, clock, linger=0)
    await write(store, an_event("three"))
    await database.write(insert_as_before)
    await write(store, an_event("four"))
    assert names(await store.audit_events(AuditQuery())) == ["one", "two", "three", "one", "two", "four"]
    verdict = await store.verify_audit([], 0)
    assert (verdict.events, verdict.unchained) == (2, 4)
    assert [(flaw.chain, flaw.sequence) for flaw in verdict.flaws] == [(NO_CHAIN, 5)]
    expected = [*verdict.heads, AuditHead(NO_CHAIN, verdict.unchained, "", 0)]
    assert (await store.verify_audit(expected, 0)).flaws == []


async def test_events_survive_the_way_back(database: Database, clock: FakeClock) -> None:
    """Down and up again they are all there, with their numbers, and those with a chain have lost it."""
    await database.write(upgrade)
    store = SqlStore(database, clock, linger=0)
    await write(store, an_event("three"))
    await database.write(partial(downgrade, revision=BEFORE))
    await database.write(insert_as_before)
    await database.write(upgrade)
    await write(store, an_event("four"))
    records = (await store.audit_events(AuditQuery())).records
    assert [record.event.type for record in records] == ["one", "two", "three", "one", "two", "four"]
    *before, last = [record.sequence for record in records]
    assert (before, last > 5) == ([1, 2, 3, 4, 5], True)
    verdict = await store.verify_audit([], 0)
    assert (verdict.events, verdict.unchained, verdict.flaws) == (1, 5, [])
