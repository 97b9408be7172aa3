"""What guards are tested with."""

from collections.abc import Iterator

import pytest
from tokensvc_client import TokenClient
from tokensvc_client.testing import FakeTokenService

from tests.client.guards.scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A shop and its token service."""
    with FakeTokenService() as fake, TokenClient(fake.target) as client:
        yield Scene(fake, client)
