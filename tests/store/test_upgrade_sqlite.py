"""A SQLite file is made and upgraded by whoever opens it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.store.kinds import dump_sqlite, open_sqlite_store
from tests.store.other_process import other_process
from tests.store.samples import a_session, an_entry, writing
from tokensvc.domain.client import Client
from tokensvc.domain.errors import RefusedError
from tokensvc.store.migrating import latest_revision, upgrade_sqlite
from tokensvc.store.schema import metadata
from tokensvc.store.sqlite import sqlite_engine


def tables(path: Path) -> dict[str, str]:
    """The tables and indexes of a file as SQLite keeps them, without the note of the schema's revision."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: " ".join(sql.split()) for name, sql in found if name != "alembic_version"}


def test_the_migrations_lead_to_the_same_statements(path: Path, tmp_path: Path) -> None:
    """What Alembic does not compare, such as WITHOUT ROWID and primary keys, is the same too."""
    upgrade_sqlite(path)
    directly = tmp_path / "directly.db"
    engine = sqlite_engine(directly, begin="BEGIN IMMEDIATE")
    metadata.create_all(engine)
    engine.dispose()
    assert tables(path) == tables(directly)


async def test_an_upgrade_of_an_upgraded_file_changes_nothing(path: Path) -> None:
    """Every start of the service upgrades: where nothing is to be done nothing is."""
    store = open_sqlite_store(path, FakeClock())
    await store.commit(writing(session=a_session(), client=Client("bff"), log=(an_entry(),)))
    await store.close()
    before = tables(path), dump_sqlite(path)
    assert upgrade_sqlite(path) == (latest_revision(), latest_revision())
    assert (tables(path), dump_sqlite(path)) == before


def test_an_upgrade_that_fails_leaves_nothing(path: Path) -> None:
    """A file in which another program has put a table of ours is left as it was found."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE clients (theirs)")
    before = tables(path)
    with pytest.raises(RefusedError):
        upgrade_sqlite(path)
    assert tables(path) == before


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    """A schema that this version does not know is neither used nor touched."""
    upgrade_sqlite(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = dump_sqlite(path)
    with pytest.raises(RefusedError, match="newer"):
        upgrade_sqlite(path)
    assert dump_sqlite(path) == before


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
        assert dump_sqlite(path)["alembic_version"] == [(latest_revision(),)]
        assert dump_sqlite(path)["log_head"] == [(1, 0)]
