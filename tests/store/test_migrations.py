"""The way to this version's tables, and back, on every database."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, bindparam, text
from sqlalchemy.schema import CreateIndex, CreateTable

from tests.fakes import FakeClock
from tests.store.kinds import empty_postgres_database
from tests.store.samples import NOW, a_session, an_entry, sid, stored, writing
from tokensvc.domain.client import Client
from tokensvc.domain.errors import RefusedError
from tokensvc.store import migrating
from tokensvc.store.database import Database
from tokensvc.store.dialects import SESSION_ID
from tokensvc.store.migrating import check_schema, current_revision, downgrade, latest_revision, upgrade
from tokensvc.store.schema import metadata
from tokensvc.store.sql_store import SqlStore
from tokensvc.store.sqlite import SqliteDatabase

REVISIONS = [
    script.revision for script in ScriptDirectory(str(Path(migrating.__file__).parent / "migrations")).walk_revisions()
][::-1]

# What the first version has written.
FIRST_ROWS = f"""
INSERT INTO clients (client_id, secret_hash, disabled, details, created_at, updated_at)
    VALUES ('phone', NULL, false, '{{}}', 1, 2);
INSERT INTO sessions (started_at, rotated_at, used_at, expires_at, started_revision, idle_ttl, revoked_at, generation,
    retry_window, access_ttl, session_id, subject, client_id, device_id, revoke_reason, scopes, audiences, details)
    VALUES ({NOW}, {NOW}, {NOW}, {NOW + 1000}, 0, 500, NULL, 7, 30000, 300000, :session_id, 'ada', 'phone', '', '',
    'read', 'api', '');
INSERT INTO revocation_log VALUES (1, 3, 'bob', {NOW}, {NOW + 1000}, NULL, 'lost');
UPDATE log_head SET revision = 1;
INSERT INTO barriers VALUES (3, 'bob', 1, 0, {NOW + 1000})
"""


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Database]:
    """An empty database."""
    database: Database = SqliteDatabase(path) if request.param == "sqlite" else empty_postgres_database(path)
    yield database
    await database.close()


def described(connection: Connection) -> dict[str, str]:
    """The statements that would make the tables and indexes as they are."""
    found = MetaData()
    found.reflect(connection)
    statements: dict[str, Any] = {name: CreateTable(table) for name, table in found.tables.items()}
    statements |= {str(index.name): CreateIndex(index) for table in found.tables.values() for index in table.indexes}
    del statements["alembic_version"]
    return {name: str(statement.compile(connection)) for name, statement in statements.items()}


def write_first_rows(connection: Connection) -> None:
    """Write the rows of the first version."""
    for statement in FIRST_ROWS.split(";"):
        given = [bindparam("session_id", sid(), SESSION_ID)] if ":session_id" in statement else []
        connection.execute(text(statement).bindparams(*given))


async def test_the_migrations_lead_to_the_tables_of_the_code(database: Database) -> None:
    """Alembic finds no difference in tables, columns, types or indexes."""

    def difference(connection: Connection) -> Any:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return compare_metadata(context, metadata)

    assert await database.write(difference) == []


async def test_an_upgraded_database_is_at_the_latest_revision(database: Database) -> None:
    """Whether a database is up to date can be told before and after."""
    assert await database.read(current_revision) is None
    await database.write(upgrade)
    assert await database.read(current_revision) == REVISIONS[-1] == latest_revision()


async def test_each_migration_can_be_taken_back(database: Database) -> None:
    """Step by step: up, down and up again leads to the same tables each time."""
    await database.write(partial(upgrade, revision=REVISIONS[0]))
    for revision in REVISIONS[1:]:
        before = await database.read(described)
        await database.write(partial(upgrade, revision=revision))
        reached = await database.read(described)
        await database.write(partial(downgrade, revision="-1"))
        assert await database.read(described) == before
        await database.write(partial(upgrade, revision=revision))
        assert await database.read(described) == reached


async def test_rows_of_the_first_version_are_read(database: Database, clock: FakeClock) -> None:
    """All the way up, what the first version has written means the same."""
    await database.write(partial(upgrade, revision=REVISIONS[0]))
    await database.write(write_first_rows)
    await database.write(upgrade)
    store = SqlStore(database, clock, linger=0)
    session = await stored(store)
    assert (session.generation, session.grant.subject, session.grant.scopes) == (7, "ada", ("read",))
    view = await store.view()
    assert (view.revision, view.clients) == (1, {"phone": Client("phone", created_at=1, updated_at=2)})
    assert (await store.commit(writing(session=a_session("new", subject="bob"), log=(an_entry(),)))).revision == 2


async def test_rows_survive_the_way_back(database: Database, clock: FakeClock) -> None:
    """Down to the first version and up again with rows in it, they are all there."""
    await database.write(partial(upgrade, revision=REVISIONS[0]))
    await database.write(write_first_rows)
    await database.write(upgrade)
    await database.write(partial(downgrade, revision=REVISIONS[0]))
    await database.write(upgrade)
    store = SqlStore(database, clock, linger=0)
    assert (await stored(store)).generation == 7
    assert (await store.sessions_by_id([sid()]))[sid()].barred is False


async def test_everything_can_be_taken_back(database: Database, clock: FakeClock) -> None:
    """Down to nothing and up again, a database that was in use is as good as new."""
    await database.write(upgrade)
    await database.write(write_first_rows)
    await database.write(partial(downgrade, revision="base"))
    await database.write(upgrade)
    store = SqlStore(database, clock, linger=0)
    assert await store.sessions_by_id([sid()]) == {}
    assert (await store.commit(writing(session=a_session(), log=(an_entry(),)))).revision == 1


async def test_a_schema_that_is_too_old_is_refused(database: Database) -> None:
    """A server does not begin to serve on tables that lack something, and says what to do."""
    with pytest.raises(RefusedError, match="db upgrade"):
        await check_schema(database)
    await database.write(upgrade)
    await check_schema(database)


async def test_a_schema_of_a_newer_version_is_good_enough(database: Database) -> None:
    """In a rolling upgrade the tables come first: the older version goes on serving on them."""

    def from_the_future(connection: Connection) -> None:
        upgrade(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await database.write(from_the_future)
    await check_schema(database)
