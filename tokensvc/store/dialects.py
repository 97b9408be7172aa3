"""Owns every difference between the databases that the statements care about."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, Protocol
from uuid import UUID

import orjson
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    Select,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    select,
    text,
)
from sqlalchemy import Sequence as NumberSequence
from sqlalchemy import column as typed_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.engine import Dialect as Driver

from tokensvc.domain import base64url
from tokensvc.store.prepared import Executes, Prepared, Statement


class _SessionUuid(TypeDecorator[str]):
    """A session id as the 16 bytes that it is: in PostgreSQL's uuid, a third smaller in the row and in its index."""

    impl = Uuid
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Driver) -> UUID | None:  # noqa: ARG002 - the base passes it
        """From base64url."""
        return None if value is None else UUID(bytes=base64url.decode_own(value))

    def process_result_value(self, value: UUID | None, dialect: Driver) -> str | None:  # noqa: ARG002 - the base passes it
        """To base64url."""
        return None if value is None else base64url.encode(value.bytes)


class _DigestBytes(TypeDecorator[str]):
    """A digest as the 32 bytes that it is."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Driver) -> bytes | None:  # noqa: ARG002 - the base passes it
        """From base64url."""
        return None if value is None else digest_bytes(value)

    def process_result_value(self, value: bytes | None, dialect: Driver) -> str | None:  # noqa: ARG002 - the base passes it
        """To base64url."""
        return None if value is None else digest_text(value)


def digest_text(digest: bytes) -> str:
    """A digest of 32 bytes in base64url, as rows have it."""
    return base64url.encode(digest)


def digest_bytes(encoded: str) -> bytes:
    """The digest that `encoded` stands for."""
    return base64url.decode_own(encoded)


SESSION_ID: Final = Text().with_variant(_SessionUuid(), "postgresql")
DIGEST: Final = Text().with_variant(_DigestBytes(), "postgresql")

Insert = sqlite.Insert | postgresql.Insert

_MOST_ROWS: Final = 64  # in one statement of SQLite's
_PLACE: Final = re.compile(r"\$(\d+)")  # of an argument in PostgreSQL's SQL


class Dialect(Executes, Protocol):
    """How one kind of database takes a set of rows in one statement, and compares."""

    draws_without_gaps: bool
    """Whether a number that was drawn is that of a row, unless that was deleted."""

    def rowset(self, name: str, columns: Sequence[Column[Any]]) -> FromClause:
        """A table made of the parameter `name`, with the names and types of `columns`."""

    def pack(self, name: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """The statement parameters that carry `rows` to `rowset(name, ...)`."""

    def execute_together(self, connection: Connection, statements: Sequence[Statement]) -> Sequence[Sequence[Any]]:
        """As `execute` for statements of which none depends on another; answer the rows of the last."""

    def inserting(self, table: Table, rows: Sequence[Sequence[Any]]) -> Sequence[Statement]:
        """What inserts `rows`, which have the columns of `table` in their order."""

    def insert(self, table: Table) -> Insert:
        """An INSERT that can say ON CONFLICT."""

    def greatest(self, one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
        """The larger of two values."""

    def draw(self, table: Table, count: ColumnElement[int]) -> ColumnElement[Any]:
        """What draws the numbers of `count` new rows of `table`, which are numbered by its first column."""

    def drawn(self, answer: Any, count: int) -> Sequence[int]:
        """The numbers in the answer to `draw`, the lowest first."""

    def last_drawn(self, table: Table) -> ColumnElement[int]:
        """The highest number of `table` that the database knows of, zero if there is none."""


class SqliteDialect:
    """Rows travel together: a statement for each would hand the interpreter's lock back and forth.

    Rows to join with are one JSON array. New rows travel value by value, which takes a third of the time but needs a
    statement for each number of rows: there is one for each power of two, and any number is the sum of few of these.
    """

    driver: Driver = pysqlite.dialect()
    draws_without_gaps = True

    def execute(self, connection: Connection, sql: str, arguments: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """By the driver's connection."""
        driver: Any = connection.connection.dbapi_connection
        rows: list[tuple[Any, ...]] = driver.execute(sql, arguments).fetchall()
        return rows

    def execute_together(self, connection: Connection, statements: Sequence[Statement]) -> Sequence[Sequence[Any]]:
        """One after the other: there is no way to go."""
        for statement in statements[:-1]:
            self.execute(connection, *statement)
        return self.execute(connection, *statements[-1])

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
        return {name: orjson.dumps(rows).decode()}

    def inserting(self, table: Table, rows: Sequence[Sequence[Any]]) -> Sequence[Statement]:
        """By VALUES."""
        statements, done = [], 0
        while left := len(rows) - done:
            count = min(1 << (left.bit_length() - 1), _MOST_ROWS)
            values = list(chain.from_iterable(rows[done : done + count]))
            statements.append((_insert_values(table, count), values))
            done += count
        return statements

    def insert(self, table: Table) -> sqlite.Insert:
        """SQLite's INSERT."""
        return sqlite.insert(table)

    def greatest(self, one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
        """Scalar max."""
        return func.max(one, other)

    def draw(self, table: Table, count: ColumnElement[int]) -> ColumnElement[Any]:  # noqa: ARG002 - any number
        """The last number: nobody else writes meanwhile."""
        return self.last_drawn(table)

    def drawn(self, answer: Any, count: int) -> Sequence[int]:
        """Those that follow."""
        return range(answer + 1, answer + 1 + count)

    def last_drawn(self, table: Table) -> ColumnElement[int]:
        """What SQLite keeps for a table with AUTOINCREMENT, whether or not the row is still there."""
        found: Select[Any] = select(literal_column("seq")).select_from(text("sqlite_sequence"))
        return func.coalesce(found.where(literal_column("name") == table.name).scalar_subquery(), 0)


@cache
def _insert_values(table: Table, count: int) -> str:
    return str(insert(table).values([tuple(table.columns.keys())] * count).compile(dialect=SqliteDialect.driver))


class PostgresDialect:
    """Rows travel as one array for each column."""

    driver: Driver = asyncpg.dialect()  # type: ignore[no-untyped-call]
    draws_without_gaps = False  # a transaction that fails gives none back

    def execute(self, connection: Connection, sql: str, arguments: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """By the driver's connection, which prepares every statement once."""
        adapter: Any = connection.connection.dbapi_connection
        rows: list[Sequence[Any]] = adapter.run_async(lambda driver: driver.fetch(sql, *arguments))
        return rows

    def execute_together(self, connection: Connection, statements: Sequence[Statement]) -> Sequence[Sequence[Any]]:
        """As one statement with the others in its WITH: what is to come and go takes longer than what is to be done."""
        sql = _together(tuple(sql for sql, _ in statements)) if len(statements) > 1 else statements[0][0]
        return self.execute(connection, sql, list(chain.from_iterable(arguments for _, arguments in statements)))

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

    def inserting(self, table: Table, rows: Sequence[Sequence[Any]]) -> Sequence[Statement]:
        """By one statement for any number of them."""
        return [_insert_arrays(table).bound(**self.pack("new", rows))] if rows else []

    def insert(self, table: Table) -> postgresql.Insert:
        """PostgreSQL's INSERT."""
        return postgresql.insert(table)

    def greatest(self, one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
        """The function GREATEST."""
        return func.greatest(one, other)

    def draw(self, table: Table, count: ColumnElement[int]) -> ColumnElement[Any]:
        """As many from the sequence that a column of type SERIAL has."""
        number = NumberSequence(f"{table.name}_{table.columns[0].name}_seq").next_value()
        return (
            select(func.array_agg(number)).select_from(func.generate_series(1, count).alias("drawn")).scalar_subquery()
        )

    def drawn(self, answer: Any, count: int) -> Sequence[int]:  # noqa: ARG002 - they are all there
        """In their order."""
        return sorted(answer)

    def last_drawn(self, table: Table) -> ColumnElement[int]:
        """The highest number that is there."""
        return func.coalesce(select(func.max(table.columns[0])).scalar_subquery(), 0)


@cache
def _insert_arrays(table: Table) -> Prepared:
    dialect, columns = PostgresDialect(), list(table.columns)
    return Prepared(dialect, insert(table).from_select(columns, select(dialect.rowset("new", columns))))


@cache
def _together(statements: Sequence[str]) -> str:
    """All of them change something; what the last one answers is the answer."""
    numbered, before = [], 0
    for sql in statements:
        numbered.append(_renumbered(sql, before))
        before += max((int(place) for place in _PLACE.findall(sql)), default=0)
    others = ", ".join(f"other_{place} AS ({sql})" for place, sql in enumerate(numbered[:-1]))
    return f"WITH {others} {numbered[-1]}"


def _renumbered(sql: str, before: int) -> str:
    """`sql` where its arguments come behind so many others."""
    return _PLACE.sub(lambda place: f"${before + int(place[1])}", sql)
