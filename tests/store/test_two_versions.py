"""Two versions on one database: what a migration may do to tables that the version before it is still using."""

from collections.abc import AsyncIterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Inspector, inspect, text

from tests.store.kinds import empty_postgres_database, postgres_url
from tests.store.test_migrations import REVISIONS
from tokensvc.store.database import Database
from tokensvc.store.migrating import upgrade
from tokensvc.store.postgres import PostgresDatabase

Tables = dict[str, dict[str, Any]]


def tables(connection: Connection) -> Tables:
    """What a version relies on, and what can stand in its way, of every table."""
    found: Inspector = inspect(connection)
    return {
        name: {
            "columns": {column["name"]: column for column in found.get_columns(name)},
            "primary key": found.get_pk_constraint(name)["constrained_columns"],
            "unique": {tuple(index["column_names"]) for index in found.get_indexes(name) if index["unique"]},
            "foreign keys": found.get_foreign_keys(name),
            "checks": found.get_check_constraints(name),
        }
        for name in found.get_table_names()
    }


def in_the_way(before: Tables, after: Tables) -> set[str]:
    """The tables in which the version that knows `before` cannot read and write as ever when they are as in `after`."""
    return {name for name, table in before.items() if name not in after or _broken(table, after[name])}


def _broken(table: dict[str, Any], now: dict[str, Any]) -> bool:
    old, new = table["columns"], now["columns"]
    added = [column for name, column in new.items() if name not in old]
    return (
        any(name not in new or _of_column(column) != _of_column(new[name]) for name, column in old.items())
        or any(not column["nullable"] and column["default"] is None for column in added)
        or any(table[what] != now[what] for what in ("primary key", "unique", "foreign keys", "checks"))
    )


def _of_column(column: Any) -> tuple[str, bool, Any]:
    return repr(column["type"]), column["nullable"], column["default"]


@pytest.fixture
async def postgres(path: Path) -> AsyncIterator[Database]:
    """An empty database: PostgreSQL, because nodes of two versions share no other."""
    database = empty_postgres_database(path)
    yield database
    await database.close()


@pytest.mark.parametrize(("before", "after"), list(pairwise(REVISIONS)))
async def test_a_migration_only_adds(postgres: Database, before: str, after: str) -> None:
    """The version before it goes on reading and writing on the tables that it leads to."""
    await postgres.write(partial(upgrade, revision=before))
    known = await postgres.read(tables)
    await postgres.write(partial(upgrade, revision=after))
    assert in_the_way(known, await postgres.read(tables)) == set()


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("DROP TABLE clients", {"clients"}),
        ("ALTER TABLE clients RENAME TO callers", {"clients"}),
        ("ALTER TABLE clients DROP COLUMN disabled", {"clients"}),
        ("ALTER TABLE clients RENAME COLUMN disabled TO off", {"clients"}),
        ("ALTER TABLE clients ALTER COLUMN created_at TYPE text", {"clients"}),
        ("ALTER TABLE clients ALTER COLUMN secret_hash SET NOT NULL", {"clients"}),
        ("ALTER TABLE clients ADD COLUMN more text NOT NULL", {"clients"}),
        ("ALTER TABLE clients ADD CHECK (created_at > 0)", {"clients"}),
        ("ALTER TABLE sessions ADD FOREIGN KEY (client_id) REFERENCES clients", {"sessions"}),
        ("CREATE UNIQUE INDEX new ON clients (created_at)", {"clients"}),
        ("ALTER TABLE clients ADD COLUMN more text NOT NULL DEFAULT ''", set()),
        ("ALTER TABLE clients ADD COLUMN more text", set()),
        ("CREATE INDEX new ON clients (created_at)", set()),
        ("CREATE TABLE new (id int PRIMARY KEY)", set()),
    ],
)
async def test_what_stands_in_the_way_is_found(path: Path, change: str, broken: set[str]) -> None:
    """The check sees each kind of change that the older version could not bear, and lets the others pass."""
    database = PostgresDatabase(postgres_url(path), timeout=20)
    before = await database.read(tables)
    await database.write(lambda connection: connection.execute(text(change)))
    assert in_the_way(before, await database.read(tables)) == broken
    await database.close()
