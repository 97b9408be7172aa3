"""`python -m bench [quick|lone|loaded|tuning|full] [case ...]`: measures; a table, and results/latest.json."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from bench.deployment import POSTGRES, running, running_postgres
from bench.meter import Meter
from bench.plans import PLANS, QUICK, Plan
from bench.rows import FOOTER, Row, combine, table
from tests.postgres import Postgres

RESULTS = Path(__file__).parent / "results" / "latest.json"


def measure(plan: Plan, only: Sequence[str], postgres: Postgres | None) -> Iterator[Row]:
    """Carry out `plan`; of its cases `only` these, if any are named."""
    for _ in range(plan.rounds):
        for run in plan.runs:
            names = [name for name in run.cases if not only or name in only]
            if not names:
                continue
            with running(run.deployment, postgres) as service:
                meter = Meter(service)
                for in_flight in run.in_flight:
                    for name in names:
                        yield from meter.measure(name, in_flight, run.seconds, run.empty_seconds)


def main(arguments: Sequence[str]) -> None:
    """Measure, write and print."""
    plan = PLANS[arguments[0] if arguments else QUICK]
    needed = any(run.deployment.store == POSTGRES for run in plan.runs)
    with running_postgres() if needed else nullcontext() as postgres:
        rows = [asdict(row) for row in combine(list(measure(plan, arguments[1:], postgres)))]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows), FOOTER, sep="\n\n")


if __name__ == "__main__":
    main(sys.argv[1:])
