"""The use cases on a store that remembers what it was asked."""

import pytest

from tests.fakes import FakeClock
from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases, new_keys


@pytest.fixture
def store() -> RecordingStore:
    """An empty store."""
    return RecordingStore()


@pytest.fixture
def use_cases(store: RecordingStore, clock: FakeClock) -> UseCases:
    """All use cases on `store`."""
    return UseCases(store, clock, new_keys())
