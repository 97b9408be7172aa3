"""`python -m bench [quick|full] [case ...]`: runs the cases, writes `bench/results/latest.json`, prints a table.

The server has one core to itself and the load generator another, where the machine has two. What a case costs is the
server's user and system time per RPC; `vs_empty` compares it with an empty RPC measured right before and after it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil

from bench import cases
from bench.cases import BATCH, Prepare, Server, Traffic
from bench.load import LoadResult

RESULTS = Path(__file__).parent / "results" / "latest.json"
EMPTY = "empty"

CASES: dict[str, tuple[Prepare, int]] = {  # how it is prepared, and how many tokens one of its RPCs is about
    "introspect_warm": (cases.introspect_warm, 1),
    "introspect_cold": (cases.introspect_cold, 1),
    f"batch_introspect_{BATCH}": (cases.batch_introspect, BATCH),
    "issue": (cases.issue, 1),
    "refresh": (cases.refresh, 1),
    "revoke": (cases.revoke, 1),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    seconds: float
    empty_seconds: float
    rounds: int
    in_flight: tuple[int, ...]


PLANS = {
    "quick": Plan(seconds=1.5, empty_seconds=0.75, rounds=1, in_flight=(64,)),
    "full": Plan(seconds=4, empty_seconds=2, rounds=3, in_flight=(1, 64)),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement; rates and costs are per token where an RPC is about many."""

    case: str
    store: str
    workers: int
    concurrency: int
    rps: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    vs_empty: float


class Meter:
    """Measures traffic on one server."""

    def __init__(self, server: Server, process: psutil.Process) -> None:
        self._server = server
        self._process = process

    def measure(self, name: str, in_flight: int, plan: Plan) -> list[Row]:
        """Run a case between two runs of the empty RPC; answer a row for both."""
        prepare, tokens = CASES[name]
        nothing = cases.empty(self._server, in_flight, plan.empty_seconds)
        traffic = prepare(self._server, in_flight, plan.seconds)
        before, cpu_before = self._run(nothing, in_flight, plan.empty_seconds)
        result, cpu = self._run(traffic, in_flight, plan.seconds)
        _, cpu_after = self._run(nothing, in_flight, plan.empty_seconds)
        empty_cpu = (cpu_before + cpu_after) / 2
        return [
            _row(EMPTY, in_flight, before, empty_cpu, empty_cpu),
            _row(name, in_flight, result, cpu / tokens, empty_cpu, tokens),
        ]

    def _run(self, traffic: Traffic, in_flight: int, seconds: float) -> tuple[LoadResult, float]:
        """Answer the result and the server's CPU microseconds per RPC."""
        begun = self._cpu_seconds()
        result = self._server.load(traffic, in_flight, seconds)
        return result, (self._cpu_seconds() - begun) / result.completed * 1e6

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _row(case: str, in_flight: int, result: LoadResult, cpu: float, empty_cpu: float, tokens: int = 1) -> Row:
    return Row(
        case,
        "sqlite",
        workers=1,
        concurrency=in_flight,
        rps=round(result.rate * tokens, 1),
        cpu_us=round(cpu, 2),
        p50_ms=round(result.percentile(50), 3),
        p99_ms=round(result.percentile(99), 3),
        vs_empty=round(empty_cpu / cpu, 3),
    )


def combine(rows: Sequence[Row]) -> list[Row]:
    """One row for each case and concurrency: the medians over all rounds."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.case, row.concurrency), []).append(row)
    numbers = ("rps", "cpu_us", "p50_ms", "p99_ms", "vs_empty")
    return [
        Row(
            **{
                **asdict(group[0]),
                **{name: round(median(getattr(row, name) for row in group), 3) for name in numbers},
            }
        )
        for group in groups.values()
    ]


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text."""
    lines = [list(asdict(rows[0])), *([str(value) for value in asdict(row).values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


@contextmanager
def running_server() -> Iterator[tuple[Server, psutil.Process]]:
    """A server on the first core, this process on the others."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    with tempfile.TemporaryDirectory() as scratch:
        if len(cores) > 1:
            os.sched_setaffinity(0, cores[:1])  # inherited by every thread of the server
        command = [sys.executable, "-m", "bench.server", scratch]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            if process.stdout is None:
                raise AssertionError("standard output is a pipe")
            server = Server(**json.loads(process.stdout.readline()))
            if len(cores) > 1:
                os.sched_setaffinity(0, cores[1:])
            yield server, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(10)
            if len(cores) > 1:
                os.sched_setaffinity(0, cores)


def main(arguments: Sequence[str]) -> None:
    """Measure, write and print."""
    plan = PLANS[arguments[0] if arguments else "quick"]
    names = arguments[1:] or list(CASES)
    rows: list[Row] = []
    for _ in range(plan.rounds):
        with running_server() as (server, process):
            meter = Meter(server, process)
            for in_flight in plan.in_flight:
                for name in names:
                    rows += meter.measure(name, in_flight, plan)
    combined = combine(rows)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(row) for row in combined], indent=1) + "\n")
    print(table(combined))


if __name__ == "__main__":
    main(sys.argv[1:])
