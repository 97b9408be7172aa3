"""Owns what a measurement is written down as: rows, their medians over rounds, and the table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from bench.deployment import Deployment
from bench.load import LoadResult

FOOTER: Final = """\
rps, cpu_us and database_cpu_us are per token where an RPC is about many. cpu_us is user and system time of the server's
processes for each, database_cpu_us that of PostgreSQL's. vs_empty is what an empty RPC costs on the same server,
measured before and after, divided by cpu_us. PostgreSQL is durable: fsync and synchronous_commit are on.
The server has the first core to itself, the load generator and PostgreSQL share the second.
batch: writes in a transaction; tick: RPCs let go on together; look: introspections that shared a look at the log."""

# What is divided by what of the counts of a run.
_AVERAGES: Final = {"batch": ("units", "batches"), "tick": ("paced", "ticks"), "look": ("looks", "reads")}


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement; rates and costs are per token where an RPC is about many. None where there is nothing to say."""

    case: str
    store: str
    concurrency: int
    rps: float
    cpu_us: float
    database_cpu_us: float | None
    p50_ms: float
    p99_ms: float
    vs_empty: float
    batch: float | None
    tick: float | None
    look: float | None


_KEY: Final = ("case", "store", "concurrency")
_DIGITS: Final = {"rps": 1, "cpu_us": 2, "database_cpu_us": 2, "batch": 1, "tick": 1, "look": 1}


@dataclass(frozen=True, slots=True)
class Measured:
    """What one load came to: CPU in microseconds per RPC, and the counts of this load."""

    result: LoadResult
    cpu: float
    database_cpu: float | None
    counts: Mapping[str, int]


def row(
    case: str, deployment: Deployment, in_flight: int, measured: Measured, empty_cpu: float, tokens: int = 1
) -> Row:
    """Write down a load whose RPCs were about `tokens` tokens each."""
    result, counts = measured.result, measured.counts
    return _rounded(
        Row(
            case,
            deployment.store,
            in_flight,
            rps=result.rate * tokens,
            cpu_us=measured.cpu / tokens,
            database_cpu_us=None if measured.database_cpu is None else measured.database_cpu / tokens,
            p50_ms=result.percentile(50),
            p99_ms=result.percentile(99),
            vs_empty=empty_cpu / measured.cpu * tokens,
            **{
                name: counts[whole] / counts[parts] if counts.get(parts) else None
                for name, (whole, parts) in _AVERAGES.items()
            },
        )
    )


def combine(rows: Sequence[Row]) -> list[Row]:
    """One row for each case, store and concurrency: the medians over all rounds."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in rows:
        values = asdict(one)
        groups.setdefault(tuple(values[name] for name in _KEY), []).append(values)
    return [_rounded(_medians(group)) for group in groups.values()]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as aligned text, under the names of their columns."""
    lines = [list(rows[0]), *([_cell(value) for value in one.values()] for one in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


def _medians(group: Sequence[Mapping[str, Any]]) -> Row:
    return Row(**{name: value if name in _KEY else _median(name, group) for name, value in group[0].items()})


def _median(name: str, group: Sequence[Mapping[str, Any]]) -> Any:
    present = [values[name] for values in group if values[name] is not None]
    return median(present) if present else None


def _rounded(one: Row) -> Row:
    values: dict[str, Any] = {
        name: round(value, _DIGITS.get(name, 3)) if isinstance(value, float) else value
        for name, value in asdict(one).items()
    }
    return Row(**values)
