"""Owns a run: the service, the client processes, the faults, and the judgement of what was recorded."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.consistency import clients, history
from tests.consistency.calling import SWEEP
from tests.consistency.checking import Violation, check, summary
from tests.consistency.faults import Faults, happen
from tests.consistency.history import NOT_SENT, OK, REUSED, REVOKED, UNKNOWN, Fault, Introspect, Operation, Record
from tests.consistency.nodes import CALLER, WORKERS, Deployment, NotReadyError, deployed

_QUIET_SECONDS = 3
_READY_SECONDS = 60
_SWEEP_SECONDS = 300


@dataclass(frozen=True)
class Plan:
    """How long to run over which database, and how hard."""

    postgres: bool
    seconds: float
    fault_every: float
    seed: int
    processes: int = 4
    tasks: int = 6
    pause: float = 0.06


@dataclass
class Report:
    """What happened and what was wrong with it."""

    plan: Plan
    operations: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind and outcome."""
    faults: Counter[str] = field(default_factory=Counter)
    violations: Sequence[Violation] = ()
    problems: list[str] = field(default_factory=list)
    """What makes the run worth nothing, or shows trouble that is no violation of a rule."""

    @property
    def is_good(self) -> bool:
        """Whether enough happened and nothing was wrong."""
        return not self.violations and not self.problems

    def __str__(self) -> str:
        database = "PostgreSQL, two nodes" if self.plan.postgres else "SQLite, one node"
        head = f"{database} with {WORKERS} workers, {self.plan.seconds:.0f} s, seed {self.plan.seed}"
        rows = [f"  {kind:<11}{outcome:<29}{number:>8}" for (kind, outcome), number in sorted(self.operations.items())]
        faults = [f"  fault      {name:<29}{number:>8}" for name, number in sorted(self.faults.items())]
        totals = (
            f"  operations {self.operations.total()}, faults {self.faults.total()}, violations {len(self.violations)}"
        )
        return "\n".join(
            (head, *rows, *faults, totals, summary(self.violations), *(f"PROBLEM: {one}" for one in self.problems))
        )


def run(plan: Plan, directory: Path) -> Report:
    """Run it; `directory` has the history and the nodes' logs afterwards."""
    faults: list[Fault] = []
    troubles: list[str] = []
    with deployed(directory, postgres=plan.postgres) as deployment:
        with _working(plan, deployment) as sweep:
            try:
                faults.extend(_faults(plan, deployment))
                for node in deployment.nodes:
                    node.check_running()
            except NotReadyError as error:
                troubles.append(str(error))
            troubles += sweep()
        troubles += (f"logged by a node: {line[:2000]}" for line in deployment.logged_errors())
    with (directory / "faults.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(map(history.line_of, faults))
    return judge(plan, [*history.read(sorted(directory.glob("history-*.jsonl"))), *faults], troubles)


def judge(plan: Plan, records: Sequence[Record], troubles: Sequence[str]) -> Report:
    """Check a history, and whether enough happened in it to mean anything; `troubles` are what else went wrong."""
    operations = [record for record in records if isinstance(record, Operation)]
    report = Report(plan)
    report.operations.update((type(one).__name__, _shown(one)) for one in operations)
    report.faults.update(record.name for record in records if isinstance(record, Fault))
    report.violations = check(operations)
    unanswered = [one for one in operations if SWEEP in one.name and one.outcome in (UNKNOWN, NOT_SENT)]
    if unanswered:
        report.problems.append(f"{len(unanswered)} calls had no answer after the last fault: {unanswered[0]}")
    report.problems += [*troubles[:5], *_too_little(plan, report)]
    return report


def _shown(operation: Operation) -> str:
    if isinstance(operation, Introspect) and operation.is_ok:
        return "active" if operation.active else "inactive"
    return operation.outcome


def _too_little(plan: Plan, report: Report) -> Iterator[str]:
    """What should have happened more often, by far, in a run of this length."""
    least = {
        ("Issue", OK): 1.0,
        ("Refresh", OK): 2.0,
        ("Refresh", REUSED): 0.2,
        ("Refresh", REVOKED): 0.2,
        ("Revoke", OK): 0.2,
        ("Introspect", "active"): 5.0,
        ("Introspect", "inactive"): 5.0,
    }
    for (kind, outcome), each_second in least.items():
        number = report.operations[kind, outcome]
        if number < each_second * plan.seconds:
            yield f"only {number} times {kind} {outcome}"
    unknown = sum(number for (_, outcome), number in report.operations.items() if outcome == UNKNOWN)
    if unknown < plan.seconds / 4:
        yield f"only {unknown} operations without an answer"
    if report.faults.total() < plan.seconds / plan.fault_every / 3:
        yield f"only {report.faults.total()} faults"


def _faults(plan: Plan, deployment: Deployment) -> Iterator[Fault]:
    """Faults until it is time to let everything settle; the one that follows begins `fault_every` seconds later."""
    end = time.monotonic() + plan.seconds - _QUIET_SECONDS
    beginning = time.monotonic() + min(plan.fault_every, _QUIET_SECONDS)
    for kind in Faults(deployment, Random(plan.seed)).kinds():
        if beginning > end:
            break
        time.sleep(max(0.0, beginning - time.monotonic()))  # in the plan each fault has its moment
        beginning = max(beginning + plan.fault_every, time.monotonic())
        yield happen(kind)
    # What the last fault has done to the nodes shows in the time behind it.
    time.sleep(max(float(_QUIET_SECONDS), end + _QUIET_SECONDS - time.monotonic()))


@contextmanager
def _working(plan: Plan, deployment: Deployment) -> Iterator[Callable[[], list[str]]]:
    """The client processes at work; the block gets a function that lets them sweep and end, and answers what failed."""
    context = multiprocessing.get_context("spawn")
    ready, stopping = context.Barrier(plan.processes + 1), context.Event()
    inboxes = [context.Queue() for _ in range(plan.processes)]
    addresses = {node.name: node.address for node in deployment.nodes}
    processes = []
    for number, inbox in enumerate(inboxes):
        path = deployment.directory / f"history-{number}.jsonl"
        told = clients.Plan(
            f"p{number}",
            plan.seed * 1000 + number,
            addresses,
            (CALLER, deployment.secret),
            path,
            plan.tasks,
            plan.pause,
        )
        others = [outbox for outbox in inboxes if outbox is not inbox]
        processes.append(context.Process(target=clients.run, args=(told, inbox, others, ready, stopping), daemon=True))
    try:
        for process in processes:
            process.start()
        ready.wait(_READY_SECONDS)

        def sweep() -> list[str]:
            stopping.set()
            give_up = time.monotonic() + _SWEEP_SECONDS
            for process in processes:
                process.join(max(0.0, give_up - time.monotonic()))
            return [f"{one.name} ended with {one.exitcode}" for one in processes if one.exitcode != 0]

        yield sweep
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
            process.join()
