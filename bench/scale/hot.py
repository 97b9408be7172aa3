"""Owns measuring whether a session stays one row and the table small, however often its sessions are refreshed."""

import time
from typing import Any, Final

from bench.scale.database import Filled
from bench.scale.sessions import refreshing

_SESSIONS: Final = 1_000
_IN_FLIGHT: Final = 64
_CONNECTION_SECONDS: Final = 60.0  # the server sends older ones away
_STATISTICS_SECONDS: Final = 20.0
_STATISTICS: Final = ("n_tup_upd", "n_tup_hot_upd", "n_live_tup", "n_dead_tup", "autovacuum_count")


def measure(database: Filled, refreshes: int) -> dict[str, Any]:
    """Refresh each of 1,000 sessions that many times."""
    server = database.running.server
    newest = {number: answer.refresh_token for number, answer in enumerate(server.issue(_SESSIONS))}
    before = database.sizes("sessions")
    traffic, left, seconds = refreshing(newest, newest), _SESSIONS * refreshes, 0.0
    while left:
        result = server.load(traffic, _IN_FLIGHT, _CONNECTION_SECONDS, left)
        left, seconds = left - result.completed, seconds + result.seconds
    statistics = _statistics(database, _SESSIONS * refreshes)
    after = database.sizes("sessions")
    database.sql("VACUUM sessions")
    audit = database.sizes("audit_events")
    return {
        "sessions": _SESSIONS,
        "refreshes": _SESSIONS * refreshes,
        "seconds": round(seconds, 1),
        "rows": after["rows"],
        "bytes_before": before["total"],
        "bytes_after": after["total"],
        "bytes_vacuumed": database.sizes("sessions")["total"],
        **statistics,
        "hot": round(statistics["n_tup_hot_upd"] / statistics["n_tup_upd"], 4),
        "audit_bytes_per_event": round(audit["total"] / audit["rows"], 1),
    }


def _statistics(database: Filled, updates: int) -> dict[str, int]:
    """What PostgreSQL has counted; it tells a little later."""
    give_up = time.monotonic() + _STATISTICS_SECONDS
    while True:
        query = f"SELECT {', '.join(_STATISTICS)} FROM pg_stat_user_tables WHERE relname = 'sessions'"  # noqa: S608 - of constants
        numbers = map(int, database.sql(query).split("|"))
        statistics = dict(zip(_STATISTICS, numbers, strict=True))
        if statistics["n_tup_upd"] >= updates or time.monotonic() > give_up:
            return statistics
        time.sleep(0.2)  # they are published with a delay
