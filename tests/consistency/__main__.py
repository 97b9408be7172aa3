"""`python -m tests.consistency`: runs clients and faults against the service, and fails if a guarantee was broken."""

import shutil
import sys
import tempfile
from pathlib import Path
from secrets import randbelow

import click

from tests.consistency.run import Plan, run

_DATABASES = ("postgres", "sqlite")
_LONG_SECONDS, _LONG_FAULT_EVERY, _LONG_FAULTS = 900, 6, 200


@click.command()
@click.option("--database", type=click.Choice(_DATABASES), help="Which one; both, one after the other, by default.")
@click.option("--seconds", type=click.FloatRange(10), default=60, show_default=True, help="How long over each of them.")
@click.option("--fault-every", type=click.FloatRange(1), default=7, show_default=True, help="Seconds between faults.")
@click.option("--seed", type=int, help="Decides the faults and the clients' choices; random by default.")
@click.option("--long", is_flag=True, help=f"Half an hour in all, with at least {_LONG_FAULTS} faults.")
def main(database: str | None, seconds: float, fault_every: float, seed: int | None, long: bool) -> None:
    """Let clients use the service while faults happen to it; exit with 1 if a guarantee was broken."""
    faults, good = 0, True
    for name in [database] if database else _DATABASES:
        plan = Plan(
            postgres=name == "postgres",
            seconds=_LONG_SECONDS if long else seconds,
            fault_every=_LONG_FAULT_EVERY if long else fault_every,
            seed=randbelow(10**6) if seed is None else seed,
        )
        directory = Path(tempfile.mkdtemp(prefix=f"tokensvc-{name}-"))
        report = run(plan, directory)
        click.echo(report)
        if report.is_good:
            shutil.rmtree(directory)
        else:
            click.echo(f"history and logs are in {directory}")
        faults += report.faults.total()
        good = good and report.is_good
    if long and faults < _LONG_FAULTS:
        click.echo(f"PROBLEM: only {faults} faults")
        good = False
    sys.exit(not good)


if __name__ == "__main__":
    main()
