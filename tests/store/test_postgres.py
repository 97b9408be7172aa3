"""What PostgreSQL alone does: several nodes at the same rows, connections that break, a server that is silent."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.fakes import FakeClock
from tests.postgres import Postgres
from tests.store.kinds import POSTGRES, postgres_url
from tests.store.samples import NOW, a_session, an_entry, rotating, sid, stored, writing
from tokensvc.domain.client import Client
from tokensvc.domain.effects import Effects
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.revocation import EntryKind
from tokensvc.domain.session import Session
from tokensvc.ports import Rows, Store, Unit
from tokensvc.store.migrating import upgrade_database
from tokensvc.store.postgres import PostgresDatabase
from tokensvc.store.sql_store import SqlStore

TIMEOUT = 1.0


@pytest.fixture
async def nodes(path: Path, clock: FakeClock) -> AsyncIterator[list[Store]]:
    """Two nodes on one database."""
    stores = [POSTGRES.open(path, clock) for _ in range(2)]
    yield stores
    for store in stores:
        await store.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of its own, to be ended at will, where its user may go: pytest's directories are closed to others."""
    with tempfile.TemporaryDirectory(prefix="tokensvc-", ignore_cleanup_errors=True) as directory:
        server = Postgres.create(Path(directory) / "data").start()
        server.create_database()
        yield server
        server.stop()


@pytest.fixture
async def store(server: Postgres, clock: FakeClock) -> AsyncIterator[SqlStore]:
    """A store on that server, with a session in it."""
    database = PostgresDatabase(server.url(), timeout=TIMEOUT)
    await upgrade_database(database)
    store = SqlStore(database, clock, linger=0)
    await store.commit(Unit(lambda _rows: Effects(None, session=a_session()), session_id=sid()))
    yield store
    await store.close()


def beginning(name: str) -> Unit[bool]:
    """A unit that begins a session unless it is there; its outcome says whether it has."""

    def decide(rows: Rows) -> Effects[bool]:
        if rows.session(sid(name)):
            return Effects(False)
        return Effects(True, session=a_session(name))

    return Unit(decide, session_id=sid(name))


def beginning_as_one_of(most: int, name: str, subject: str = "ada") -> Unit[bool]:
    """A unit that begins a session of the subject's with the client phone, unless it has that many already."""

    def decide(rows: Rows) -> Effects[bool]:
        if len(rows.sessions_of((subject, "phone"))) >= most:
            return Effects(False)
        return Effects(True, session=a_session(name, subject=subject))

    return Unit(decide, session_id=sid(name), client_id="phone", owner=(subject, "phone"))


def ending(name: str) -> Unit[None]:
    """A unit that ends a session and its subject."""

    def decide(rows: Rows) -> Effects[None]:
        session = rows.session(sid(name))
        assert session is not None
        ended = Session(session.grant, session.generation, NOW, NOW, revoked_at=NOW)
        return Effects(None, session=ended, log=(an_entry(EntryKind.SESSION, sid(name)), an_entry()))

    return Unit(decide, session_id=sid(name))


async def test_statements_are_planned_once(store: SqlStore, server: Postgres) -> None:
    """Rotations one after the other: nothing is planned anew for its values, and rows are found by an index.

    The tables are new, so PostgreSQL knows nothing of their size yet.
    """
    database = PostgresDatabase(server.url(), timeout=TIMEOUT)
    watched = SqlStore(database, FakeClock(), linger=0)
    scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'sessions'"
    before = await database.read(lambda connection: connection.execute(text(scans)).scalar_one())
    for _ in range(10):
        await watched.commit(rotating())

    def work(connection: Connection) -> tuple[int, int]:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        plans = (
            "SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements WHERE statement LIKE '%sessions%'"
        )
        generic, custom = connection.execute(text(plans)).one()
        return int(generic), int(custom)

    generic, custom = await database.write(work)
    assert generic >= 20, "locking and updating, ten times each"
    assert custom == 0
    assert await database.read(lambda connection: connection.execute(text(scans)).scalar_one()) == before
    await watched.close()


async def test_sessions_that_two_nodes_begin_at_once_are_counted_together(nodes: list[Store]) -> None:
    """Of forty logins of one subject over two nodes as many begin a session as may."""
    await nodes[0].commit(Unit(lambda _rows: Effects(None, client=Client("phone")), client_id="phone"))
    units = [beginning_as_one_of(3, f"session-{number}") for number in range(40)]
    committed = await asyncio.gather(*(nodes[number % 2].commit(unit) for number, unit in enumerate(units)))
    assert sum(each.outcome for each in committed) == 3


async def test_logins_and_refreshes_of_two_nodes_never_lock_each_other_out(nodes: list[Store]) -> None:
    """Each node refreshes sessions of the subject that begins sessions on the other one, whose rows are looked at."""
    await nodes[0].commit(Unit(lambda _rows: Effects(None, client=Client("phone")), client_id="phone"))
    for subject in ("ada", "bob"):
        await asyncio.gather(
            *(nodes[0].commit(writing(session=a_session(f"{subject} {n}", subject=subject))) for n in range(10))
        )

    async def use(node: Store, refreshes: str, begins: str) -> None:
        for turn in range(10):
            login = beginning_as_one_of(1000, f"{begins} more {turn}", begins)
            await asyncio.gather(node.commit(login), *(node.commit(rotating(f"{refreshes} {n}")) for n in range(10)))

    await asyncio.gather(use(nodes[0], "ada", "bob"), use(nodes[1], "bob", "ada"))
    assert isinstance(nodes[0], SqlStore)
    count = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    deadlocks = await nodes[0]._database.read(lambda connection: connection.execute(count).scalar_one())
    assert deadlocks == 0


@pytest.mark.parametrize(("name", "subject"), [("refused by the server", "nul\0"), ("not even sent", "half \ud800")])
async def test_a_unit_that_cannot_be_written_fails_alone(store: SqlStore, name: str, subject: str) -> None:
    """Its caller is told of a defect, not of an outage; the others of its batch go on, on the same connection."""
    backend = text("SELECT pg_backend_pid()")
    before = await store._database.write(lambda connection: connection.execute(backend).scalar_one())
    units = [rotating(), writing(session=a_session("bad", subject=subject)), writing(session=a_session(name))]
    done, failed, other = await asyncio.gather(*map(store.commit, units), return_exceptions=True)
    assert not isinstance(done, BaseException)
    assert not isinstance(other, BaseException)
    assert isinstance(failed, Exception)
    assert not isinstance(failed, RefusedError)
    assert (await stored(store, name)).generation == 0
    assert await store._database.write(lambda connection: connection.execute(backend).scalar_one()) == before


async def test_of_two_nodes_that_begin_one_session_both_succeed(nodes: list[Store]) -> None:
    """One inserts the row, the other decides again and finds it: fifty times, and never an error."""
    for place in range(50):
        begun = await asyncio.gather(*(node.commit(beginning(f"session-{place}")) for node in nodes))
        assert sorted(each.outcome for each in begun) == [False, True]


async def test_nodes_that_want_the_same_rows_in_any_order_do_not_fail(nodes: list[Store]) -> None:
    """Rotations and revocations of ten sessions, in opposite orders from two nodes, all succeed and none is lost."""
    names = [f"session-{place}" for place in range(10)]
    await asyncio.gather(*(nodes[0].commit(beginning(name)) for name in names))
    for _ in range(5):
        forth = (nodes[0].commit(unit(name)) for name in names for unit in (rotating, ending))
        back = (nodes[1].commit(unit(name)) for name in reversed(names) for unit in (ending, rotating))
        await asyncio.gather(*forth, *back)
    assert [(await stored(nodes[0], name)).generation for name in names] == [10] * 10


async def test_revisions_of_two_nodes_have_no_gaps(nodes: list[Store]) -> None:
    """Each revision is given once, in the order in which the entries become visible."""
    units = [writing(log=(an_entry(key=str(place)),)) for place in range(100)]
    committed = await asyncio.gather(*(nodes[place % 2].commit(unit) for place, unit in enumerate(units)))
    assert sorted(each.revision for each in committed) == list(range(1, 101))
    assert (await nodes[0].view()).revision == 100


async def test_commits_are_durable_where_the_database_says_otherwise(path: Path) -> None:
    """A database whose default is not to wait for the disk is told to wait."""
    relaxed = PostgresDatabase(f"{postgres_url(path)}?options=-csynchronous_commit%3Doff", timeout=TIMEOUT)
    assert (await relaxed.settings())["synchronous_commit"] == "on"
    await relaxed.close()


async def test_a_restart_of_the_server_goes_unnoticed(server: Postgres, store: SqlStore) -> None:
    """Connections that were cut while nothing was under way are replaced before anybody sees an error."""
    generation = (await stored(store)).generation
    revision = (await store.view()).revision
    server.stop()
    server.start()
    assert (await store.commit(rotating())).outcome == generation + 1
    assert (await store.view()).revision == revision
    assert (await stored(store)).generation == generation + 1


async def healed(call: Callable[[], Awaitable[Any]]) -> None:
    """Call until it works: a server that has just started on a busy machine may be slow."""
    async with asyncio.timeout(10 * TIMEOUT):
        while True:
            with contextlib.suppress(RefusedError):
                await call()
                return


CALLS: dict[str, Callable[[Store], Any]] = {
    "commit": lambda store: store.commit(rotating()),
    "view": lambda store: store.view(),
    "sessions_by_id": lambda store: store.sessions_by_id([sid()]),
    "keys": lambda store: store.keys(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("fault", ["stop", "kill", "freeze"])
async def test_a_server_that_is_gone_is_an_outage_and_heals(
    server: Postgres, store: SqlStore, fault: str, call: Callable[[Store], Any]
) -> None:
    """Stopped, killed or silent: every call ends as STORE_UNAVAILABLE, and works when the server is back."""
    await call(store)
    getattr(server, fault)()
    try:
        with pytest.raises(RefusedError) as refused:
            async with asyncio.timeout(10 * TIMEOUT):
                await call(store)
        assert refused.value.reason is Reason.STORE_UNAVAILABLE
    finally:
        server.thaw() if fault == "freeze" else server.start()
    await healed(lambda: call(store))


async def test_a_commit_that_was_cut_off_is_not_repeated(server: Postgres, store: SqlStore) -> None:
    """A server that stops during the transaction: the rotation has happened once or not at all, and the next works."""
    before = (await stored(store)).generation
    writing_now = asyncio.gather(*(store.commit(rotating()) for _ in range(20)), return_exceptions=True)
    server.kill()
    answers = await writing_now
    server.start()
    after = (await stored(store)).generation
    acknowledged = [answer.outcome for answer in answers if not isinstance(answer, BaseException)]
    assert all(isinstance(answer, RefusedError) for answer in answers if isinstance(answer, BaseException))
    assert before + len(acknowledged) <= after <= before + 20
    assert (await store.commit(rotating())).outcome == after + 1
