"""The kinds of stores that the suite runs over, and what a kind cannot do by its nature."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests import postgres_databases
from tokensvc.ports import Clock, Store
from tokensvc.store.memory import MemoryStore
from tokensvc.store.migrating import upgrade_database, upgrade_sqlite
from tokensvc.store.postgres import PostgresDatabase
from tokensvc.store.sql_store import SqlStore
from tokensvc.store.sqlite import SqliteDatabase

Dump = dict[str, list[tuple[Any, ...]]]
_TIMEOUT = 20.0  # the machine may be busy; what a time-out leads to has tests of its own


@dataclass(frozen=True)
class Kind:
    """A way to keep what a store keeps. Each flag is False only for the reason that stands where it is set.

    `path` stands for the place: a file, or the database that bears its name. `dump` answers every row of every table.
    """

    name: str
    open: Callable[[Path, Clock], Store]
    dump: Callable[[Path], Dump] = lambda _path: {}
    survives_restart: bool = True
    has_log_rows: bool = True


def open_sqlite_store(path: Path, clock: Clock) -> SqlStore:
    """A store on the SQLite file at `path`, which is made or upgraded first."""
    upgrade_sqlite(path)
    return SqlStore(SqliteDatabase(path), clock, linger=0)


def dump_sqlite(path: Path) -> Dump:
    """Every row of every table of a SQLite file."""
    with closing(sqlite3.connect(path)) as connection:
        own = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        tables = connection.execute(own).fetchall()
        return {name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr) for (name,) in tables}


def open_postgres_store(path: Path, clock: Clock) -> SqlStore:
    """A store on the PostgreSQL database that belongs to `path`, which is made first."""
    return SqlStore(PostgresDatabase(postgres_url(path), timeout=_TIMEOUT), clock, linger=0)


def postgres_url(path: Path) -> str:
    """The database that belongs to `path`, made if it is not there yet."""
    if path not in _made:
        _made[path] = postgres_databases.copy_database(_name(path), _template())
    return _made[path]


def empty_postgres_database(path: Path) -> PostgresDatabase:
    """A database for `path` without any tables."""
    _made[path] = postgres_databases.create_database(_name(path))
    return PostgresDatabase(_made[path], timeout=_TIMEOUT)


def drop_postgres(path: Path) -> None:
    """Remove the database of `path` if it was made."""
    if _made.pop(path, None):
        postgres_databases.drop_database(_name(path))


def dump_postgres(path: Path) -> Dump:
    """Every row of every table of a PostgreSQL database."""

    async def fetch() -> Dump:
        connection = await asyncpg.connect(postgres_url(path))
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        tables = {name: await connection.fetch(f'SELECT * FROM "{name}"') for (name,) in names}
        await connection.close()
        return {name: sorted(map(tuple, rows), key=repr) for name, rows in tables.items()}

    with ThreadPoolExecutor(1) as thread:  # the caller's event loop is at work already
        return thread.submit(asyncio.run, fetch()).result()


_made: dict[Path, str] = {}


def _name(path: Path) -> str:
    return f"tokensvc_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"


def _template() -> str:
    """The name of a database with empty tables."""
    name = _name(Path("template"))
    if Path("template") not in _made:
        postgres_databases.drop_database(name)
        _made[Path("template")] = url = postgres_databases.create_database(name)

        async def upgrade() -> None:
            database = PostgresDatabase(url, timeout=_TIMEOUT)
            await upgrade_database(database)
            await database.close()

        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, upgrade()).result()
    return name


SQLITE = Kind("sqlite", open_sqlite_store, dump_sqlite)
POSTGRES = Kind("postgres", open_postgres_store, dump_postgres)
MEMORY = Kind(
    "memory",
    lambda _path, _clock: MemoryStore(),
    survives_restart=False,  # it is gone with the process: that is what it is for
    has_log_rows=False,  # of the log it keeps the view alone, which forgets by itself
)
KINDS = (MEMORY, SQLITE, POSTGRES)


def only(flag: str) -> pytest.MarkDecorator:
    """Runs a test over the kinds that have `flag`."""
    able = [kind for kind in KINDS if getattr(kind, flag)]
    return pytest.mark.parametrize("kind", able, ids=[kind.name for kind in able], indirect=True)


ON_POSTGRES = pytest.mark.parametrize("kind", [POSTGRES], ids=[POSTGRES.name], indirect=True)
