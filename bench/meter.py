"""Owns measuring: the CPU that processes have used, and a case between two runs of the empty RPC."""

from collections.abc import Iterable

import psutil

from bench import cases
from bench.cases import CASES, Prepare, Traffic
from bench.deployment import Running
from bench.rows import Measured, Row, row

EMPTY = "empty"


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time of `processes` and of all their descendants, of those that have ended too."""
    total = 0.0
    for process in processes:
        for descendant in process.children(recursive=True):
            try:
                total += _own_seconds(descendant)
            except psutil.NoSuchProcess:
                continue  # its parent has inherited its time
        total += _own_seconds(process)
    return total


def _own_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    inherited = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return float(times.user + times.system + inherited)


class Meter:
    """Measures traffic on one deployment."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def measure(self, name: str, in_flight: int, seconds: float, empty_seconds: float) -> list[Row]:
        """Run a case between two runs of the empty RPC; answer a row for both."""
        prepare, tokens = CASES[name]
        return self.measure_prepared(name, prepare, in_flight, seconds, empty_seconds, tokens)

    def measure_prepared(
        self, name: str, prepare: Prepare, in_flight: int, seconds: float, empty_seconds: float, tokens: int = 1
    ) -> list[Row]:
        """As `measure`, with a case that is not in the table."""
        deployment, server = self._running.deployment, self._running.server
        traffic = prepare(server, in_flight, seconds)
        nothing = cases.empty(server, in_flight, empty_seconds)
        before = self.run(nothing, in_flight, empty_seconds)
        measured = self.run(traffic, in_flight, seconds)
        after = self.run(nothing, in_flight, empty_seconds)
        empty_cpu = (before.cpu + after.cpu) / 2
        return [
            row(EMPTY, deployment, in_flight, before, before.cpu),
            row(EMPTY, deployment, in_flight, after, after.cpu),
            row(name + deployment.variant, deployment, in_flight, measured, empty_cpu, tokens),
        ]

    def run(self, traffic: Traffic, in_flight: int, seconds: float) -> Measured:
        """Run one load."""
        running = self._running
        counts = running.server.counts()
        cpu, database_cpu = cpu_seconds(running.workers), self._database_seconds()
        result = running.server.load(traffic, in_flight, seconds)
        per_rpc = 1e6 / result.completed
        return Measured(
            result,
            (cpu_seconds(running.workers) - cpu) * per_rpc,
            (self._database_seconds() - database_cpu) * per_rpc if running.database else None,
            running.server.counts() - counts,
        )

    def _database_seconds(self) -> float:
        return cpu_seconds([self._running.database]) if self._running.database else 0.0
