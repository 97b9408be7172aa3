"""Fixtures that every part of the suite may use."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import postgres_databases, softhsm
from tests.fakes import FakeClock, FakeRandomness
from tests.harness import Caller, Service, running_service

# The same examples in every run, and no verdict that depends on how busy the machine is.
settings.register_profile("tokensvc", derandomize=True, deadline=None)
settings.load_profile("tokensvc")

_WITH_PROCESSES = tuple(Path(__file__).parent / name for name in ("consistency", "examples", "system"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run in several processes, those that start processes of their own are all in one of them."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in _WITH_PROCESSES):
            item.add_marker(pytest.mark.xdist_group("processes"))


def pytest_unconfigure() -> None:
    """End the PostgreSQL of this run."""
    postgres_databases.stop()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def randomness() -> FakeRandomness:
    """Chance without surprise."""
    return FakeRandomness()


@pytest.fixture(scope="session")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> softhsm.SoftHsm:
    """An HSM, where SoftHSM is installed."""
    return softhsm.set_up(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture
async def service(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Service]:
    """A service on SQLite."""
    async with running_service(tmp_path / "data", clock=clock) as running:
        yield running


@pytest.fixture
async def bff(service: Service) -> Caller:
    """A caller that may do everything but administer, for every client."""
    return await service.caller("bff")
