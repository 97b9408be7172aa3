"""Owns how often a transaction goes to the database: what nobody waits for travels with what is asked next."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from tokensvc.store.dialects import Dialect
from tokensvc.store.prepared import Prepared, Statement


class Exchanges:
    """Executes what changes rows, in one transaction.

    Of what goes together no statement sees what another one does, and they may be done in any order: each row is
    changed by one of them at most.
    """

    def __init__(self, dialect: Dialect, connection: Connection) -> None:
        self._dialect = dialect
        self._connection = connection
        self._held: list[Statement] = []

    def hold(self, statements: Iterable[Statement]) -> None:
        """Execute `statements` with what is asked next; their answers are of no interest."""
        self._held += statements

    def ask(self, statement: Prepared, **values: Any) -> Sequence[Sequence[Any]]:
        """Execute `statement` and what is held; answer its rows."""
        return statement.rows(self._execute(statement.bound(**values)))

    def finish(self) -> None:
        """Execute what is held."""
        if self._held:
            self._execute(self._held.pop())

    def _execute(self, last: Statement) -> Sequence[Sequence[Any]]:
        together, self._held = [*self._held, last], []
        return self._dialect.execute_together(self._connection, together)
