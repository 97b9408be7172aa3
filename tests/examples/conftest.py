"""A token service for the examples."""

from collections.abc import Iterator

import pytest

from examples.stage import Stage, set_up


@pytest.fixture(scope="package")
def stage() -> Iterator[Stage]:
    """`tokensvc serve` on SQLite, in a process of its own."""
    with set_up() as made:
        yield made
