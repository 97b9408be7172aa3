"""Reads what the embedded database holds, past the service."""

import sqlite3
from contextlib import closing
from typing import Any

from tests.harness import Service

Tables = dict[str, list[tuple[Any, ...]]]


def tables_of(service: Service) -> Tables:
    """Every row of every table."""
    with closing(sqlite3.connect(service.settings.database_path)) as connection:
        own = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        names = [name for (name,) in connection.execute(own)]
        return {name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr) for name in names}


def rows_of(service: Service, table: str) -> list[dict[str, Any]]:
    """The rows of one table by column."""
    with closing(sqlite3.connect(service.settings.database_path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f'SELECT * FROM "{table}"')]
