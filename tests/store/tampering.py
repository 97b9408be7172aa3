"""Changes a database behind the service's back, as somebody with a database tool would."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg

from tests.store.kinds import POSTGRES, Kind, postgres_url


def tamper(kind: Kind, path: Path, *statements: str) -> None:
    """Run `statements` in the database of `kind` at `path`."""
    _run(kind, path, statements)


def look(kind: Kind, path: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows that `query` finds."""
    return _run(kind, path, (query,))


def numbers_end_at(kind: Kind, path: Path, number: int) -> None:
    """Have the next event numbered behind `number`, as in a copy of the database from when that was the last one."""
    if kind is not POSTGRES:
        tamper(kind, path, f"UPDATE sqlite_sequence SET seq = {number} WHERE name = 'audit_events'")


def _run(kind: Kind, path: Path, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
    if kind is not POSTGRES:
        with closing(sqlite3.connect(path)) as connection, connection:
            return [row for statement in statements for row in connection.execute(statement)]

    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(postgres_url(path))
        rows = [tuple(row) for statement in statements for row in await connection.fetch(statement)]
        await connection.close()
        return rows

    with ThreadPoolExecutor(1) as thread:  # the caller's event loop is at work already
        return thread.submit(asyncio.run, run()).result()
