"""PostgreSQL without a transaction: one statement writes what was decided, if nobody was there in between."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, text

from tests.fakes import FakeClock
from tests.store.faults import FaultyEngine, postgres_of, watched
from tests.store.kinds import dump_postgres, open_postgres_store, postgres_url
from tests.store.samples import NOW, a_session, an_entry, rotating, sid, stored, writing
from tests.store.test_audit import an_event
from tokensvc.domain.effects import Effects
from tokensvc.domain.errors import RefusedError
from tokensvc.domain.policy import MINUTE
from tokensvc.domain.revocation import EntryKind
from tokensvc.ports import Rows, SessionFilter, Unit
from tokensvc.store.sql_store import SqlStore

Open = Callable[[], SqlStore]

AT_ONCE = ["SELECT", "WITH"]
SEVERAL = 3


def verbs(exchanges: FaultyEngine) -> list[str]:
    """What went to PostgreSQL, by the first words."""
    return [sql.split()[0] for sql in exchanges.seen]


@pytest.fixture
async def open_store(path: Path, clock: FakeClock) -> AsyncIterator[Open]:
    """Opens one more node on the same database at each call."""
    opened: list[SqlStore] = []

    def open_once_more() -> SqlStore:
        opened.append(open_postgres_store(path, clock))
        return opened[-1]

    yield open_once_more
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: Open) -> SqlStore:
    """A node whose audit chain has begun, and one session."""
    store = open_store()
    await store.commit(writing(session=a_session(), audit=(an_event(),)))
    return store


def refreshing(name: str = "session") -> Unit[int]:
    """What a refresh writes: the session at its next generation, and an event."""
    unit = rotating(name)

    def decide(rows: Rows) -> Effects[int]:
        return replace(unit.decide(rows), audit=(an_event(),))

    return Unit(decide, session_id=unit.session_id)


def revoking() -> Unit[None]:
    """What a revocation of one session writes."""

    def decide(rows: Rows) -> Effects[None]:
        session = rows.session(sid())
        assert session is not None
        ended = replace(session, revoked_at=NOW)
        return Effects(None, session=ended, audit=(an_event(),), log=(an_entry(EntryKind.SESSION, sid()),))

    return Unit(decide, session_id=sid())


UNITS: dict[str, Callable[[], Unit[Any]]] = {
    "refresh": refreshing,
    "issue": lambda: writing(session=a_session("new"), audit=(an_event(),)),
    "revoke": revoking,
    "barrier": lambda: writing(log=(an_entry(),), audit=(an_event(),)),
    "access only": lambda: writing(audit=(an_event(),)),
}


REFUSAL: Unit[None] = Unit(lambda _rows: Effects(None), session_id=sid())


@pytest.mark.parametrize("name", UNITS)
async def test_two_exchanges_are_enough(store: SqlStore, name: str) -> None:
    """Whatever a token's life brings is read in one exchange and written in one."""
    exchanges = watched(store)
    await store.commit(UNITS[name]())
    assert verbs(exchanges) == AT_ONCE


async def test_what_needs_locks_takes_a_transaction(store: SqlStore) -> None:
    """A unit that looks at a client keeps others from it until it is committed."""
    exchanges = watched(store)
    await store.commit(replace(refreshing(), client_id="phone"))
    assert verbs(exchanges)[0] == "BEGIN"
    assert verbs(exchanges)[-1] == "COMMIT"


async def test_a_refusal_writes_nothing(store: SqlStore) -> None:
    """One look, and nothing more: not even an event's number is lost."""
    exchanges = watched(store)
    assert (await store.commit(Unit(lambda _rows: Effects("refused"), session_id=sid()))).outcome == "refused"
    assert verbs(exchanges) == ["SELECT"]
    await store.commit(refreshing())
    assert list(await store.audit_numbers(0, 10)) == [1, 2]


async def test_both_ways_write_the_same(path: Path, clock: FakeClock) -> None:
    """A batch of everything leaves the same rows as a transaction does, and answers the same revisions."""
    dumps, answers = [], []
    for place, client_id in enumerate(("", "phone")):
        database = path.with_name(f"way-{place}")
        store = open_postgres_store(database, clock)
        await store.commit(writing(session=a_session(), audit=(an_event(),)))
        await store.commit(writing(session=a_session("other"), log=(an_entry(key="eve"),), audit=(an_event(),)))
        exchanges = watched(store)
        units = [replace(unit(), client_id=client_id) for unit in UNITS.values()]
        cut_off = writing(log=(an_entry(EntryKind.CLIENT, "phone", issued_before=NOW),), audit=(an_event(), an_event()))
        batch = asyncio.gather(*map(store.commit, [*units, refreshing("other"), cut_off]))
        answers.append([(answer.outcome, answer.revision) for answer in await batch])
        assert ("BEGIN" in exchanges.seen) == bool(client_id)
        dump = dump_postgres(database)
        tables = ("sessions", "revocation_log", "log_head", "barriers")
        dumps.append({name: dump[name] for name in tables} | {"events": [row[:-1] for row in dump["audit_events"]]})
        assert (await store.verify_audit([], 0)).flaws == []
        assert (await store.sessions(SessionFilter(subject="ada", limit=1)))[0].barred
        await store.close()
    assert dumps[0] == dumps[1]
    assert answers[0] == answers[1]
    assert [revision for _, revision in answers[0]] == [0, 0, 2, 3, 0, 0, 4]


class _Intruder(FaultyEngine):
    """Has somebody else act just before a statement, once."""

    def __init__(self, store: SqlStore, before: str, act: Callable[[], Any]) -> None:
        database = postgres_of(store)
        super().__init__(database.dialect, database._engine.sync_engine)
        self._before, self._act = before, act

    def _next(self, statement: str) -> None:
        if statement.startswith(self._before) and self._act is not None:
            act, self._act = self._act, None
            act()
        super()._next(statement)


def elsewhere(path: Path, sql: str) -> None:
    """Run `sql` on a connection of its own, and wait for it; the caller's event loop is at work."""

    async def run() -> None:
        connection = await asyncpg.connect(postgres_url(path))
        await connection.execute(sql)
        await connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


CHANGES = {
    "generation": "generation = 7",
    "rotated_at": "rotated_at = rotated_at + 1",
    "used_at": "used_at = used_at + 1",
    "retry_window": "retry_window = 1",
    "revoked_at": f"revoked_at = {NOW}",
    "revoke_reason": "revoke_reason = 'lost'",
    "last_seen": "last_seen = 'a~b'",
    "last_location": "last_location = 'Berlin'",
}


@pytest.mark.parametrize("column", CHANGES)
async def test_what_changes_meanwhile_is_decided_anew(store: SqlStore, path: Path, column: str) -> None:
    """Another node changes the row between the look and the statement: the decision is made on what it has left."""
    sql = f"UPDATE sessions SET {CHANGES[column]}"
    exchanges = _Intruder(store, "WITH", lambda: elsewhere(path, sql))
    seen = []

    def decide(rows: Rows) -> Effects[None]:
        session = rows.session(sid())
        assert session is not None
        seen.append(session)
        return Effects(None, session=replace(session, used_at=session.used_at + MINUTE), audit=(an_event(),))

    await store.commit(Unit(decide, session_id=sid()))
    assert verbs(exchanges) == [*AT_ONCE, "BEGIN", "SELECT", "WITH", "INSERT", "COMMIT"]
    before, after = seen
    assert before != after
    assert await stored(store) == replace(after, used_at=after.used_at + MINUTE)
    assert (await store.verify_audit([], 0)).flaws == []


class _Exchanges(FaultyEngine):
    """Notes the answers too."""

    def _before_prepared(self, connection: Connection, sql: str, arguments: Sequence[Any]) -> Sequence[Sequence[Any]]:
        rows = super()._before_prepared(connection, sql, arguments)
        self.seen.append("answered")
        return rows


async def test_units_are_told_what_is_being_written(store: SqlStore) -> None:
    """When the statement is on its way each unit is told its outcome, whatever another one makes of that."""
    exchanges, told = _Exchanges(store._database.dialect, postgres_of(store)._engine.sync_engine), []

    def note(outcome: Any) -> None:
        told.append((outcome, verbs(exchanges)))
        if len(told) == 1:
            raise ValueError("of this unit alone")

    names = ("session", "one", "other")
    units = [writing(session=a_session(name), audit=(an_event(),)) for name in names[1:]]
    units = [replace(unit, meanwhile=note) for unit in (refreshing(), *units)]
    written = await asyncio.gather(*map(store.commit, units))
    assert told == [(one.outcome, ["SELECT", "answered", "WITH"]) for one in written]


async def test_what_is_told_may_not_come_to_be(store: SqlStore, path: Path) -> None:
    """The row has changed: the outcome that counts is another one than that which was told."""
    _Intruder(store, "WITH", lambda: elsewhere(path, "UPDATE sessions SET generation = 7"))
    told: list[Any] = []
    unit = replace(refreshing(), meanwhile=told.append)
    assert (await store.commit(unit)).outcome not in told
    assert len(told) == 1


async def test_the_statements_are_planned_once(store: SqlStore) -> None:
    """Whatever is written one after the other: nothing is planned anew for its values, and no table is read through."""
    database = store._database
    scans = "SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN ('sessions', 'barriers', 'audit_events')"
    before = await database.read(lambda connection: connection.execute(text(scans)).scalar_one())
    for number in range(10):
        for unit in (
            refreshing(),
            writing(session=a_session(f"new {number}"), audit=(an_event(),)),
            UNITS["barrier"](),
        ):
            await store.commit(unit)

    def plans(connection: Connection) -> tuple[int, int]:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        counted = (
            "SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements WHERE statement LIKE '%chain%'"
        )
        generic, custom = connection.execute(text(counted)).one()
        return int(generic), int(custom)

    generic, custom = await database.write(plans)
    assert generic >= 30, "one for each unit"
    assert custom == 0
    assert await database.read(lambda connection: connection.execute(text(scans)).scalar_one()) == before


async def test_one_token_on_two_nodes_is_rotated_once_by_each_in_turn(open_store: Open, store: SqlStore) -> None:
    """Two nodes refresh one session at the same moment, again and again: no rotation is lost."""
    other = open_store()
    await other.commit(writing(audit=(an_event(),)))
    for _ in range(10):
        await asyncio.gather(store.commit(refreshing()), other.commit(refreshing()))
    assert (await stored(store)).generation == 20
    verdict = await store.verify_audit([], 0)
    assert (verdict.events, verdict.flaws) == (22, [])


async def test_a_chain_that_has_moved_on_is_left(store: SqlStore, path: Path) -> None:
    """The database has another end of the chain than the writer knows: nothing is written there, and another begins."""
    elsewhere(path, "UPDATE audit_chains SET head_position = 9, sealed_position = 9")
    await store.commit(refreshing())
    assert (await stored(store)).generation == 1
    assert sorted(chain for chain, *_ in dump_postgres(path)["audit_chains"]) == [1, 2]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("statement", range(len(AT_ONCE)))
async def test_a_statement_that_fails_has_written_nothing(
    store: SqlStore, path: Path, statement: int, unit: str
) -> None:
    """The disk is full at one of the two: the caller is told, nothing is there, and the next one goes on as usual."""
    before = dump_postgres(path)
    exchanges = watched(store)
    exchanges.error = asyncpg.DiskFullError("could not extend file: No space left on device")
    exchanges.restart(fails_at=statement)
    with pytest.raises(RefusedError):
        await store.commit(UNITS[unit]())
    assert dump_postgres(path) == before
    exchanges.restart()
    await store.commit(UNITS[unit]())
    assert verbs(exchanges) == AT_ONCE
    assert (await store.verify_audit([], 0)).flaws == []


async def test_a_connection_lost_before_the_statement_is_replaced(store: SqlStore) -> None:
    """It breaks before the look, when nothing counts for sure: the batch is done once, in a transaction."""
    exchanges = watched(store)
    exchanges.cut_at(0, postgres_of(store)._writing)
    assert (await store.commit(refreshing())).outcome == 1
    assert exchanges.has_cut
    assert verbs(exchanges)[-1] == "COMMIT"


async def test_an_answer_that_is_lost_is_not_repeated(store: SqlStore) -> None:
    """The statement was on its way when the connection broke: it may count, so the caller has to find out."""
    exchanges = watched(store)
    exchanges.cut_at(1, postgres_of(store)._writing)
    with pytest.raises(RefusedError):
        await store.commit(refreshing())
    await store.commit(refreshing())
    assert (await stored(store)).generation == 1
    assert (await store.verify_audit([], 0)).flaws == []


async def test_what_was_only_looked_at_is_compared_too(store: SqlStore, path: Path) -> None:
    """A retry writes an event alone: if the session is revoked meanwhile, it is decided on that."""
    exchanges = _Intruder(store, "WITH", lambda: elsewhere(path, f"UPDATE sessions SET revoked_at = {NOW}"))

    def decide(rows: Rows) -> Effects[bool]:
        session = rows.session(sid())
        assert session is not None
        return Effects(session.revoked_at is None, audit=(an_event(),))

    assert (await store.commit(Unit(decide, session_id=sid()))).outcome is False
    assert verbs(exchanges)[:3] == [*AT_ONCE, "BEGIN"]


async def test_what_one_unit_brings_no_other_sees(store: SqlStore) -> None:
    """A session without a row is there for the unit that brings it along, whoever shares its batch."""
    exchanges = watched(store)
    brought = replace(a_session("stateless"), is_stateless=True)
    bringing = Unit(lambda _rows: Effects(None, audit=(an_event(),)), session_id=sid("stateless"), brought=brought)
    asking = Unit(lambda rows: Effects(rows.session(sid("stateless"))), session_id=sid("stateless"))
    _, asked = await asyncio.gather(store.commit(bringing), store.commit(asking))
    assert asked.outcome is None
    assert verbs(exchanges) == ["SELECT", "SELECT", "WITH"]
