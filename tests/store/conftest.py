"""Stores to test: of every kind, or several on one SQLite file."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.store.kinds import KINDS, Kind, drop_postgres, open_sqlite_store
from tokensvc.ports import Store
from tokensvc.store.sql_store import SqlStore


@pytest.fixture(params=KINDS, ids=[kind.name for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of store."""
    return request.param


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Where the database file is; of PostgreSQL, what its database belongs to."""
    path = tmp_path / "tokensvc.db"
    yield path
    drop_postgres(path)


@pytest.fixture
async def store(kind: Kind, path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    """An empty store of the kind under test."""
    store = kind.open(path, clock)
    yield store
    await store.close()


@pytest.fixture
async def open_sqlite(path: Path, clock: FakeClock) -> AsyncIterator[Callable[[], SqlStore]]:
    """Opens the same SQLite file, once more at each call."""
    opened = []

    def open_once_more() -> SqlStore:
        opened.append(open_sqlite_store(path, clock))
        return opened[-1]

    yield open_once_more
    for store in opened:
        await store.close()


@pytest.fixture
def sqlite_store(open_sqlite: Callable[[], SqlStore]) -> SqlStore:
    """An empty store on SQLite."""
    return open_sqlite()
