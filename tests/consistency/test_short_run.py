"""A short run with faults, on both databases: `python -m tests.consistency --long` is the same for half an hour."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.consistency.run import Plan, run


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_the_guarantees_hold_while_things_fail(database: str) -> None:
    """Several processes use the nodes and their workers while these are killed and frozen: no rule is broken."""
    plan = Plan(postgres=database == "postgres", seconds=10, fault_every=2, seed=1173, processes=3)
    # Not tmp_path: every pytest that starts takes the rights at its parent away, and PostgreSQL has another user.
    with TemporaryDirectory(prefix="tokensvc-") as directory:
        report = run(plan, Path(directory))
    assert report.is_good, str(report)
