"""docs/security.md promises nothing that no test shows."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "security.md"
NAMED = re.compile(r"`([a-z]+/test_\w+)::(test_\w+)`")


def test_every_test_that_is_named_is_there() -> None:
    """And each promise names one."""
    named = NAMED.findall(PAGE.read_text())
    assert len(named) > 30
    for file, function in named:
        assert f"def {function}(" in (TESTS / f"{file}.py").read_text(), f"{file}::{function}"
    promises = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and line.endswith("` |")]
    assert all(NAMED.search(promise) for promise in promises)
