"""Owns telling whether numbers of audit events are missing, on a database that gives them without a gap."""

from typing import Any

from sqlalchemy import Connection, Row, select

from tokensvc.domain.policy import HOUR
from tokensvc.store import schema
from tokensvc.store.dialects import Dialect


class AuditNumbers:
    """Goes through the events by their numbers. What was pruned leaves gaps too, but no young event before one.

    That is one from an hour behind the moment `audit_before`, because times may be out of order by as much, and from an
    hour behind the beginning of a trail that was pruned, which tells what its servers take for old. On PostgreSQL every
    transaction that fails leaves a gap, and nothing is told.
    """

    def __init__(self, dialect: Dialect, audit_before: int) -> None:
        self._has_no_gaps = dialect.draws_without_gaps
        self._young_from = audit_before + HOUR
        self._number = self._at = 0
        self._missing = 0

    def take(self, row: Row[Any]) -> None:
        """Go on by an event."""
        at = row.at if isinstance(row.at, int) else 0
        if not self._number and row.sequence > 1:
            self._young_from = max(self._young_from, at + HOUR)
        if self._at <= at + HOUR:  # else its clock was ahead, and it outlives those behind it
            self._expect(row.sequence)
        self._number, self._at = row.sequence, at

    def missing(self, last: int) -> int:
        """The first number that is missing, of those up to the `last` that was given; zero if none is."""
        self._expect(last + 1)
        return self._missing if self._has_no_gaps else 0

    def _expect(self, number: int) -> None:
        if number > self._number + 1 and self._at >= self._young_from and not self._missing:
            self._missing = self._number + 1


def last_number(connection: Connection, dialect: Dialect) -> int:
    """The highest number, as the database knows it: on SQLite the last one given, whether or not its event is there."""
    return int(connection.execute(select(dialect.last_drawn(schema.audit_events))).scalar_one())
