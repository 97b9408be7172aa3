"""Owns statements that run all the time: compiled once, and given to the driver without SQLAlchemy in between."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import ARRAY, Connection
from sqlalchemy.engine import Dialect as Driver
from sqlalchemy.types import TypeEngine

_Convert = Callable[[Any], Any] | None
Statement = tuple[str, Sequence[Any]]
"""SQL, and its arguments by their places."""


class Executes(Protocol):
    """What a statement has to know of its database."""

    driver: Driver
    """How SQLAlchemy writes statements for it, with parameters by their places."""

    def execute(self, connection: Connection, sql: str, arguments: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """Have the driver execute `sql` and answer the rows; errors are the driver's own."""


class Prepared:
    """A statement for one kind of database.

    SQLAlchemy takes longer to send a statement to PostgreSQL and to read the rows than PostgreSQL takes to execute it,
    and several times as long as SQLite does.
    """

    def __init__(self, database: Executes, statement: Any) -> None:
        driver = database.driver
        compiled = statement.compile(dialect=driver)
        self._database = database
        self._sql = str(compiled)
        self._parameters = [
            (name, compiled.params[name], _writer(driver, compiled.binds[name].type)) for name in compiled.positiontup
        ]
        readers = [_reader(driver, column.type) for column in statement.exported_columns]
        self._readers = [(place, reader) for place, reader in enumerate(readers) if reader]

    def run(self, connection: Connection, **values: Any) -> Sequence[Sequence[Any]]:
        """Execute with `values` by the names of the parameters; answer the rows, each with its columns in their order.

        Errors are the driver's own. They show nothing of the values.
        """
        return self.rows(self._database.execute(connection, *self.bound(**values)))

    def bound(self, **values: Any) -> Statement:
        """What is to be executed for `values`."""
        arguments = []
        for name, default, write in self._parameters:
            value = values.get(name, default)
            arguments.append(write(value) if write else value)
        return self._sql, arguments

    def rows(self, answered: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """The rows that the driver has `answered`, with the values that SQLAlchemy would show."""
        return [self._read(row) for row in answered] if self._readers else answered

    def _read(self, row: Sequence[Any]) -> Sequence[Any]:
        columns = list(row)
        for place, read in self._readers:
            columns[place] = read(columns[place])
        return columns


def _writer(driver: Driver, kind: TypeEngine[Any]) -> _Convert:
    if isinstance(kind, ARRAY):  # of one dimension; SQLAlchemy's way takes any number, and several times as long
        return _each(_writer(driver, kind.item_type))
    return kind.dialect_impl(driver).bind_processor(driver)


def _each(write: _Convert) -> _Convert:
    return write and (lambda items: items and [write(item) for item in items])


def _reader(driver: Driver, kind: TypeEngine[Any]) -> _Convert:
    return kind.dialect_impl(driver).result_processor(driver, None)
