"""Owns statements that run all the time: compiled once, and given to the driver without SQLAlchemy in between."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.types import TypeEngine

from tokensvc.store.dialects import Dialect

_Convert = Callable[[Any], Any] | None


class Prepared:
    """A statement for one kind of database.

    SQLAlchemy takes longer to send a statement to PostgreSQL and to read the rows than PostgreSQL takes to execute it,
    and several times as long as SQLite does.
    """

    def __init__(self, dialect: Dialect, statement: Any) -> None:
        compiled = statement.compile(dialect=dialect.driver)
        self._dialect = dialect
        self._sql = str(compiled)
        self._parameters = [
            (name, compiled.params[name], _writer(dialect, compiled.binds[name].type)) for name in compiled.positiontup
        ]
        readers = [_reader(dialect, column.type) for column in statement.exported_columns]
        self._readers = [(place, reader) for place, reader in enumerate(readers) if reader]

    def run(self, connection: Connection, **values: Any) -> Sequence[Sequence[Any]]:
        """Execute with `values` by the names of the parameters; answer the rows, each with its columns in their order.

        Errors are the driver's own. They show nothing of the values.
        """
        arguments = []
        for name, default, write in self._parameters:
            value = values.get(name, default)
            arguments.append(write(value) if write else value)
        rows = self._dialect.execute(connection, self._sql, arguments)
        return [self._read(row) for row in rows] if self._readers else rows

    def _read(self, row: Sequence[Any]) -> Sequence[Any]:
        columns = list(row)
        for place, read in self._readers:
            columns[place] = read(columns[place])
        return columns


def _writer(dialect: Dialect, kind: TypeEngine[Any]) -> _Convert:
    return kind.dialect_impl(dialect.driver).bind_processor(dialect.driver)


def _reader(dialect: Dialect, kind: TypeEngine[Any]) -> _Convert:
    return kind.dialect_impl(dialect.driver).result_processor(dialect.driver, None)
