"""Owns every difference between the databases that the statements care about."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, FromClause, Table, bindparam, cast, func, select
from sqlalchemy.dialects import sqlite

_encode_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Dialect(Protocol):
    """How one kind of database takes a set of rows in one statement, and compares."""

    def rowset(self, name: str, columns: Sequence[Column[Any]]) -> FromClause:
        """A table made of the parameter `name`, with the names and types of `columns`."""

    def pack(self, name: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """The statement parameters that carry `rows` to `rowset(name, ...)`."""

    def insert(self, table: Table) -> sqlite.Insert:
        """An INSERT that can say ON CONFLICT."""

    def greatest(self, one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
        """The larger of two values."""


class SqliteDialect:
    """Rows travel as one JSON array: a statement for each row would hand the interpreter's lock back and forth."""

    def rowset(self, name: str, columns: Sequence[Column[Any]]) -> FromClause:
        """A subquery over json_each."""
        rows = func.json_each(bindparam(name)).table_valued("value", name=f"{name}_json")
        values = (
            cast(func.json_extract(rows.c.value, f"$[{place}]"), column.type).label(column.name)
            for place, column in enumerate(columns)
        )
        return select(*values).select_from(rows).subquery(name)

    def pack(self, name: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """One JSON document."""
        return {name: _encode_json(rows)}

    def insert(self, table: Table) -> sqlite.Insert:
        """SQLite's INSERT."""
        return sqlite.insert(table)

    def greatest(self, one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
        """Scalar max."""
        return func.max(one, other)
