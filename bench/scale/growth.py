"""Owns measuring what sizes cost: bytes for each session, and CPU of server and database for each RPC."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench import cases
from bench.meter import Meter
from bench.rows import Row, combine
from bench.scale.database import Filled
from bench.scale.sessions import Population

_IN_FLIGHT: Final = 64
_SECONDS: Final = 4.0
_EMPTY_SECONDS: Final = 1.0
_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Scene:
    """A database with so many living sessions."""

    database: Filled
    sessions: int
    population: Population


def measure(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """Measure the RPCs on each of `scenes`, in turns: a machine that gets slower meanwhile does so for all of them."""
    sizes = [scene.database.sizes("sessions") for scene in scenes]
    rows: list[list[Row]] = [[] for _ in scenes]
    for _ in range(_ROUNDS):
        for measured in zip(*map(_round, scenes), strict=True):
            for known, more in zip(rows, measured, strict=True):
                known.extend(more)
    return [_summary(*each) for each in zip(scenes, sizes, rows, strict=True)]


def _round(scene: Scene) -> Iterator[list[Row]]:
    """One case after the other."""
    meter = Meter(scene.database.running)
    prepared = {
        "refresh": scene.population.refresh,
        "introspect_refresh": scene.population.introspect_refresh,
        "introspect_warm": cases.introspect_warm,
        "issue": cases.issue,
    }
    for name, prepare in prepared.items():
        yield meter.measure_prepared(name, prepare, _IN_FLIGHT, _SECONDS, _EMPTY_SECONDS)


def _summary(scene: Scene, sizes: dict[str, int], rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "sessions": scene.sessions,
        "fill_seconds": round(scene.database.fill_seconds, 1),
        "bytes_per_session": round(sizes["total"] / sizes["rows"], 1),
        "bytes": sizes,
        "wal_bytes_per_refresh": _wal_bytes_per_refresh(scene),
        "rows": [asdict(row) for row in combine(rows)],
    }


def _wal_bytes_per_refresh(scene: Scene) -> int:
    database = scene.database
    traffic = scene.population.refresh(database.running.server, _IN_FLIGHT, _SECONDS)
    before = database.wal_bytes()
    measured = Meter(database.running).run(traffic, _IN_FLIGHT, _SECONDS)
    return round((database.wal_bytes() - before) / measured.result.completed)
