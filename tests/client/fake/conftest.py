"""What the tests of the fake share: one that runs, and who calls it."""

from collections.abc import Iterator

import pytest
from tokensvc_client.testing import FakeTokenService
from tokensvc_client.testing.pytest_plugin import fake_token_service

from tests.client.fake.dialling import Dialled, dialled

__all__ = ["bff", "fake", "fake_token_service"]


@pytest.fixture
def fake(fake_token_service: FakeTokenService) -> FakeTokenService:
    """A fake in which no client is registered."""
    return fake_token_service


@pytest.fixture
def bff(fake: FakeTokenService) -> Iterator[Dialled]:
    """A caller that nobody has registered."""
    with dialled(fake.target) as caller:
        yield caller
