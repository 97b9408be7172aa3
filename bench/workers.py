"""`python -m bench.workers [--rounds 30]`: what two workers cost beside one, and what they cost by being two workers.

More processes than cores share caches and cores, and that costs CPU whoever they are: the empty RPC shows it. So a
third contestant is measured, two services of one worker each that have nothing to do with each other, under the same
load as the two workers of one service.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.cases import Traffic, empty, introspect_warm, refresh
from bench.deployment import POSTGRES, SQLITE, Deployment, Running, running, running_postgres
from bench.load import run_load
from bench.meter import EMPTY, cpu_seconds
from bench.rows import table
from tests.postgres import Postgres

_CASES: Final = {EMPTY: empty, "introspect_warm": introspect_warm, "refresh": refresh}
_IN_FLIGHT: Final = 64  # for each worker
_WARMING: Final = 0.5  # seconds of each case that are not counted

FOOTER: Final = """\
CPU of the service's processes in microseconds for each RPC, of all slices together; 64 calls in flight for each worker.
one: a service with one worker. two: a service with two. pair: two services with one each, on databases of their own.
Slices are in random order. All processes, the load generator and PostgreSQL too, share all cores."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One service, or several that are loaded together; each has its own traffic."""

    services: Sequence[Running]
    traffics: Mapping[str, Sequence[Traffic]]

    def slice(self, case: str, seconds: float) -> tuple[float, int]:
        """Run a case; answer the CPU seconds of all services, and how many RPCs there were."""
        traffics, number = self.traffics[case], len(self.services)

        def next_request(slot: int) -> bytes | None:
            return traffics[slot % number].next_request(slot // number)

        def on_response(slot: int, body: bytes) -> None:
            if take := traffics[slot % number].on_response:
                take(slot // number, body)

        callers = [
            caller for each in zip(*(one.server.callers for one in self.services), strict=True) for caller in each
        ]
        before = self._cpu()
        result = run_load(
            callers,
            traffics[0].path,
            next_request,
            on_response,
            in_flight=_IN_FLIGHT * self._workers(),
            limit_seconds=seconds,
        )
        if result.errors:
            raise RuntimeError(f"{case}: {result.errors} errors: {result.first_error}")
        return self._cpu() - before, result.completed

    def _workers(self) -> int:
        return sum(len(service.workers) for service in self.services)

    def _cpu(self) -> float:
        return sum(cpu_seconds(service.workers) for service in self.services)


@contextmanager
def contestants(store: str, postgres: Postgres | None, seconds: float) -> Iterator[dict[str, Contestant]]:
    """All of them, ready."""
    with ExitStack() as stack:

        def contestant(*workers: int) -> Contestant:
            deployments = [Deployment(store, workers=each, own_core=False) for each in workers]
            services = [stack.enter_context(running(deployment, postgres)) for deployment in deployments]
            traffics = {
                name: [prepare(one.server, _IN_FLIGHT * len(one.workers), seconds) for one in services]
                for name, prepare in _CASES.items()
            }
            return Contestant(services, traffics)

        yield {"one": contestant(1), "two": contestant(2), "pair": contestant(1, 1)}


def measure(store: str, rounds: int, seconds: float, postgres: Postgres | None) -> Iterator[dict[str, Any]]:
    """Let them take turns; answer a row for each case."""
    totals: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0])
    with contestants(store, postgres, seconds) as present:
        turns = [(case, name) for case in _CASES for name in present]
        for case, name in turns:
            present[name].slice(case, _WARMING)
        for _ in range(rounds):
            for case, name in random.sample(turns, len(turns)):  # so that nothing regular falls on one of them
                cpu, completed = present[name].slice(case, seconds)
                totals[case, name][0] += cpu
                totals[case, name][1] += completed
    for case in _CASES:
        cost = {name: totals[case, name][0] / totals[case, name][1] * 1e6 for name in present}
        yield {
            "store": store,
            "case": case,
            **{name: round(each, 1) for name, each in cost.items()},
            "two/one": round(cost["two"] / cost["one"], 3),
            "pair/one": round(cost["pair"] / cost["one"], 3),
            "two/pair": round(cost["two"] / cost["pair"], 3),
        }


def main() -> None:
    """Measure both stores, print, and write where that is wanted."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description="What several workers cost.")
    parser.add_argument("--rounds", type=int, default=30, help="slices of each case and contestant")
    parser.add_argument("--seconds", type=float, default=0.7, help="of a slice")
    parser.add_argument("--json", type=Path, help="a file for the rows")
    asked = parser.parse_args()
    with running_postgres() as postgres:
        rows = [
            row
            for store in (SQLITE, POSTGRES)
            for row in measure(store, asked.rounds, asked.seconds, postgres if store == POSTGRES else None)
        ]
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows), FOOTER, sep="\n\n")


if __name__ == "__main__":
    main()
