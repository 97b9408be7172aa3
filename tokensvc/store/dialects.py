"""Owns every difference between the databases that the statements care about."""

import base64
import json
from collections.abc import Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy import column as typed_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect as Driver

_encode_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class _SessionUuid(TypeDecorator[str]):
    """A session id as the 16 bytes that it is: in PostgreSQL's uuid, a third smaller in the row and in its index."""

    impl = Uuid
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Driver) -> UUID | None:  # noqa: ARG002 - the base passes it
        """From base64url."""
        return None if value is None else UUID(bytes=base64.urlsafe_b64decode(value + "=="))

    def process_result_value(self, value: UUID | None, dialect: Driver) -> str | None:  # noqa: ARG002 - the base passes it
        """To base64url."""
        return None if value is None else base64.urlsafe_b64encode(value.bytes).rstrip(b"=").decode()


SESSION_ID: Final = Text().with_variant(_SessionUuid(), "postgresql")

Insert = sqlite.Insert | postgresql.Insert


class Dialect(Protocol):
    """How one kind of database takes a set of rows in one statement, and compares."""

    def rowset(self, name: str, columns: Sequence[Column[Any]]) -> FromClause:
        """A table made of the parameter `name`, with the names and types of `columns`."""

    def pack(self, name: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """The statement parameters that carry `rows` to `rowset(name, ...)`."""

    def insert(self, table: Table) -> Insert:
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


class PostgresDialect:
    """Rows travel as one array for each column."""

    def rowset(self, name: str, columns: Sequence[Column[Any]]) -> FromClause:
        """The function unnest, with several arrays."""
        arrays = (
            bindparam(f"{name}_{place}", type_=postgresql.ARRAY(column.type)) for place, column in enumerate(columns)
        )
        names = (typed_column(column.name, column.type) for column in columns)
        return func.unnest(*arrays).table_valued(*names, name=name).render_derived()

    def pack(self, name: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """A list for each column."""
        return {f"{name}_{place}": list(values) for place, values in enumerate(zip(*rows, strict=True))}

    def insert(self, table: Table) -> postgresql.Insert:
        """PostgreSQL's INSERT."""
        return postgresql.insert(table)

    def greatest(self, one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
        """The function GREATEST."""
        return func.greatest(one, other)
