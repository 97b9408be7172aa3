"""Owns measuring `tokensvc db prune` beside traffic."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from bench.deployment import loader_core
from bench.meter import Meter, cpu_seconds
from bench.rows import Measured
from bench.scale.database import Filled
from bench.scale.sessions import Population
from tokensvc.config import PREFIX

_IN_FLIGHT: Final = 8  # so few that neither core is busy all the time: what is seen is the pruning
_SECONDS: Final = 4.0
_STEP_SECONDS: Final = 1.0  # as exactly the end of the prune is seen
_EXPIRED: Final = "SELECT count(*) FROM sessions WHERE expires_at < extract(epoch FROM now()) * 1000"


def measure(database: Filled, population: Population) -> dict[str, Any]:
    """Refresh for some seconds, then for as long as a prune takes; compare."""
    meter = Meter(database.running)
    rows = database.number(_EXPIRED)
    before = _refresh(database, meter, population, _SECONDS)
    assert database.running.database is not None
    database_cpu, own_cpu, began = cpu_seconds([database.running.database]), _children_seconds(), time.monotonic()
    during: list[Measured] = []
    with _prune(database) as pruning:
        while pruning.poll() is None:
            during.append(_refresh(database, meter, population, _STEP_SECONDS))
    seconds = time.monotonic() - began
    if pruning.returncode:
        raise RuntimeError(f"tokensvc db prune ended with {pruning.returncode}")
    refreshes = sum(measured.result.completed for measured in during)
    database_cpu = (
        cpu_seconds([database.running.database]) - database_cpu - refreshes * (before.database_cpu or 0) / 1e6
    )
    return {
        "rows": rows,
        "left": database.number(_EXPIRED),
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "database_cpu_us_per_row": round(database_cpu / rows * 1e6, 1),
        "prune_cpu_us_per_row": round((_children_seconds() - own_cpu) / rows * 1e6, 1),
        "refresh_before": _summary([before]),
        "refresh_during": _summary(during),
    }


def _refresh(database: Filled, meter: Meter, population: Population, seconds: float) -> Measured:
    return meter.run(population.refresh(database.running.server, _IN_FLIGHT, seconds), _IN_FLIGHT, seconds)


@contextmanager
def _prune(database: Filled) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {f"{PREFIX}{name.upper()}": value for name, value in database.settings.items()}
    with loader_core():
        process = subprocess.Popen(
            [sys.executable, "-m", "tokensvc", "db", "prune"], env=environment, stdout=subprocess.DEVNULL
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _children_seconds() -> float:
    """User and system time of the children of this process that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _summary(loads: list[Measured]) -> dict[str, float]:
    completed = sum(load.result.completed for load in loads)
    latencies = sorted(latency for load in loads for latency in load.result.latencies_us)
    return {
        "rps": round(completed / sum(load.result.seconds for load in loads), 1),
        "cpu_us": round(sum(load.cpu * load.result.completed for load in loads) / completed, 2),
        "p50_ms": latencies[len(latencies) // 2] / 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] / 1000,
    }
