"""The way to this version's tables, and back."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from tests.fakes import FakeClock
from tests.store.kinds import open_sqlite_store
from tests.store.other_process import other_process
from tests.store.samples import a_session, an_entry, dump, stored, writing
from tokensvc.domain.client import Client
from tokensvc.domain.errors import RefusedError
from tokensvc.store import migrating
from tokensvc.store.migrating import current_and_latest, downgrade, upgrade, upgrade_sqlite
from tokensvc.store.schema import metadata
from tokensvc.store.sqlite import sqlite_engine

REVISIONS = [
    script.revision for script in ScriptDirectory(str(Path(migrating.__file__).parent / "migrations")).walk_revisions()
][::-1]


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    """An engine on an empty file."""
    engine = sqlite_engine(path, begin="BEGIN IMMEDIATE")
    yield engine
    engine.dispose()


def tables(path: Path) -> dict[str, str]:
    """The tables and indexes of a file as SQLite keeps them, without the note of the schema's revision."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: " ".join(sql.split()) for name, sql in found if name != "alembic_version"}


async def fill(path: Path) -> None:
    """Write rows into most tables."""
    store = open_sqlite_store(path, FakeClock())
    await store.commit(writing(session=a_session(), client=Client("bff"), log=(an_entry(),)))
    await store.close()


def test_the_migrations_lead_to_the_tables_of_the_code(engine: Engine) -> None:
    """Alembic finds no difference in tables, columns, types or indexes."""
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_lead_to_the_same_statements(path: Path, tmp_path: Path) -> None:
    """What Alembic does not compare, such as WITHOUT ROWID and primary keys, is the same too."""
    upgrade_sqlite(path)
    directly = tmp_path / "directly.db"
    engine = sqlite_engine(directly, begin="BEGIN IMMEDIATE")
    metadata.create_all(engine)
    engine.dispose()
    assert tables(path) == tables(directly)


def test_an_upgraded_file_is_at_the_latest_revision(engine: Engine) -> None:
    """Whether a file is up to date can be told before and after."""
    assert current_and_latest(engine) == (None, REVISIONS[-1])
    upgrade(engine)
    assert current_and_latest(engine) == (REVISIONS[-1], REVISIONS[-1])


async def test_an_upgrade_of_an_upgraded_file_changes_nothing(path: Path) -> None:
    """Every start of the service upgrades: where nothing is to be done nothing is."""
    await fill(path)
    before = tables(path), dump(path)
    assert upgrade_sqlite(path) == (REVISIONS[-1], REVISIONS[-1])
    assert (tables(path), dump(path)) == before


def test_each_migration_can_be_taken_back(engine: Engine, path: Path) -> None:
    """Step by step: up, down and up again leads to the same tables each time."""
    for revision in REVISIONS:
        before = tables(path)
        upgrade(engine, revision)
        reached = tables(path)
        downgrade(engine, "-1")
        assert tables(path) == before
        upgrade(engine, revision)
        assert tables(path) == reached


async def test_everything_can_be_taken_back_with_rows_in_it(engine: Engine, path: Path, clock: FakeClock) -> None:
    """Down to nothing and up again, a file that was in use is as good as new."""
    await fill(path)
    downgrade(engine, "base")
    assert tables(path) == {}
    upgrade(engine)
    store = open_sqlite_store(path, clock)
    assert await store.sessions_by_id(["session"]) == {}
    assert (await store.commit(writing(session=a_session(), log=(an_entry(),)))).revision == 1
    assert await stored(store) == a_session()
    await store.close()


def test_an_upgrade_that_fails_leaves_nothing(engine: Engine, path: Path) -> None:
    """A file in which another program has put a table of ours is left as it was found."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE clients (theirs)")
    before = tables(path)
    with pytest.raises(RefusedError):
        upgrade_sqlite(path)
    assert tables(path) == before
    assert current_and_latest(engine)[0] is None


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    """A schema that this version does not know is neither used nor touched."""
    upgrade_sqlite(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = dump(path)
    with pytest.raises(RefusedError, match="newer"):
        upgrade_sqlite(path)
    assert dump(path) == before


def test_what_is_no_database_is_refused(path: Path) -> None:
    """A file with something else in it is refused, and left as it is."""
    path.write_text("this is not a database " * 100)
    with pytest.raises(RefusedError):
        upgrade_sqlite(path)
    assert path.read_text().startswith("this is not a database")


def test_a_new_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The directory that is made for the file can be entered by nobody else."""
    upgrade_sqlite(tmp_path / "data" / "tokensvc.db")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


async def test_processes_that_upgrade_together_all_succeed(tmp_path: Path) -> None:
    """Two processes that start on the same new file, twenty times: one makes the tables, the other finds them."""
    async with other_process("upgrade", tmp_path) as one, other_process("upgrade", tmp_path) as other:
        for place in range(20):
            path = tmp_path / str(place) / "tokensvc.db"
            assert await asyncio.gather(one.ask(path), other.ask(path)) == ["done", "done"]
        assert dump(path)["alembic_version"] == [(REVISIONS[-1],)]
        assert dump(path)["log_head"] == [(1, 0)]
