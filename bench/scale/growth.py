"""Owns measuring at one size: bytes for each session, and CPU of server and database for each RPC."""

from dataclasses import asdict
from typing import Any, Final

from bench import cases
from bench.meter import Meter
from bench.rows import combine
from bench.scale.database import Filled
from bench.scale.sessions import Population

_IN_FLIGHT: Final = 64
_SECONDS: Final = 4.0
_EMPTY_SECONDS: Final = 1.0
_ROUNDS: Final = 3


def measure(database: Filled, population: Population, sessions: int) -> dict[str, Any]:
    """Measure the RPCs on a database with that many living sessions."""
    sizes = database.sizes("sessions")
    meter = Meter(database.running)
    prepared = {
        "refresh": population.refresh,
        "introspect_refresh": population.introspect_refresh,
        "introspect_warm": cases.introspect_warm,
        "issue": cases.issue,
    }
    rows = [
        row
        for _ in range(_ROUNDS)
        for name, prepare in prepared.items()
        for row in meter.measure_prepared(name, prepare, _IN_FLIGHT, _SECONDS, _EMPTY_SECONDS)
    ]
    return {
        "sessions": sessions,
        "fill_seconds": round(database.fill_seconds, 1),
        "bytes_per_session": round(sizes["total"] / sizes["rows"], 1),
        "bytes": sizes,
        "wal_bytes_per_refresh": _wal_bytes_per_refresh(database, meter, population),
        "rows": [asdict(row) for row in combine(rows)],
    }


def _wal_bytes_per_refresh(database: Filled, meter: Meter, population: Population) -> int:
    traffic = population.refresh(database.running.server, _IN_FLIGHT, _SECONDS)
    before = database.wal_bytes()
    measured = meter.run(traffic, _IN_FLIGHT, _SECONDS)
    return round((database.wal_bytes() - before) / measured.result.completed)
