"""Owns what a database says of the audit trail and of reading sessions."""

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tests.postgres import Postgres

_ABOUT_REFUSALS: Final = "('refused', 'refusals.dropped', 'suspicion.refusal_burst')"
_STATISTICS_SECONDS: Final = 11.0  # an idle backend tells what it has read after ten (PGSTAT_IDLE_INTERVAL)


class Watched(Protocol):
    """A database that is looked at beside the service."""

    def column(self, query: str) -> list[str]:
        """The first column of what `query` answers."""

    def audit_bytes(self) -> int:
        """What the trail takes; on SQLite the whole file, in which nothing else grows by refreshes."""

    def session_scans(self) -> int | None:
        """How often the table of sessions has been looked into; None where nobody counts."""


@dataclass(frozen=True, slots=True)
class WatchedSqlite:
    """The embedded database."""

    path: Path

    def column(self, query: str) -> list[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            return [str(first) for first, *_ in connection.execute(query)]

    def audit_bytes(self) -> int:
        (busy,) = self.column("PRAGMA wal_checkpoint(TRUNCATE)")
        assert busy == "0", "the write-ahead log is in use, so the file does not have everything"
        return self.path.stat().st_size

    def session_scans(self) -> int | None:
        return None


@dataclass(frozen=True, slots=True)
class WatchedPostgres:
    """One database of a PostgreSQL."""

    postgres: Postgres
    name: str

    def column(self, query: str) -> list[str]:
        return self.postgres.sql(query, self.name).splitlines()

    def audit_bytes(self) -> int:
        return int(*self.column("SELECT pg_total_relation_size('audit_events')"))

    def session_scans(self) -> int | None:
        time.sleep(_STATISTICS_SECONDS)  # PostgreSQL publishes its counts with a delay
        return int(*self.column("SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname = 'sessions'"))


@dataclass(frozen=True, slots=True)
class Trail:
    """The audit trail at one moment: events in all and about refusals, the calls that these tell of, and bytes."""

    rows: int
    refusal_rows: int
    refused: int
    bytes: int

    @classmethod
    def of(cls, database: Watched) -> "Trail":
        """Look at it."""
        (rows,) = database.column("SELECT count(*) FROM audit_events")
        query = f"SELECT type || ' ' || details FROM audit_events WHERE type IN {_ABOUT_REFUSALS}"  # noqa: S608 - of constants
        events = database.column(query)
        return cls(int(rows), len(events), sum(map(_calls, events)), database.audit_bytes())

    def __sub__(self, before: "Trail") -> "Trail":
        """What has been added."""
        return Trail(*(getattr(self, name) - getattr(before, name) for name in self.__slots__))


def _calls(event: str) -> int:
    """How many calls an event about refusals counts."""
    kind, _, text = event.partition(" ")
    details: Mapping[str, int] = json.loads(text)
    match kind:
        case "refused":
            return details["count"]
        case "refusals.dropped":
            return sum(details.values())
        case _:
            return 0
