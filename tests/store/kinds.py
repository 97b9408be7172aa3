"""The kinds of stores that the suite runs over, and what a kind cannot do by its nature."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tokensvc.ports import Clock, Store
from tokensvc.store.memory import MemoryStore
from tokensvc.store.migrating import upgrade_sqlite
from tokensvc.store.sql_store import SqlStore
from tokensvc.store.sqlite import SqliteDatabase


@dataclass(frozen=True)
class Kind:
    """A way to keep what a store keeps. Each flag is False only for the reason that stands where it is set."""

    name: str
    open: Callable[[Path, Clock], Store]
    survives_restart: bool = True
    has_log_rows: bool = True


def open_sqlite_store(path: Path, clock: Clock) -> SqlStore:
    """A store on the SQLite file at `path`, which is made or upgraded first."""
    upgrade_sqlite(path)
    return SqlStore(SqliteDatabase(path), clock, linger=0)


SQLITE = Kind("sqlite", open_sqlite_store)
MEMORY = Kind(
    "memory",
    lambda _path, _clock: MemoryStore(),
    survives_restart=False,  # it is gone with the process: that is what it is for
    has_log_rows=False,  # of the log it keeps the view alone, which forgets by itself
)
KINDS = (MEMORY, SQLITE)


def only(flag: str) -> pytest.MarkDecorator:
    """Runs a test over the kinds that have `flag`."""
    able = [kind for kind in KINDS if getattr(kind, flag)]
    return pytest.mark.parametrize("kind", able, ids=[kind.name for kind in able], indirect=True)
