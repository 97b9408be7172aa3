"""Owns the fixture: `pytest_plugins = ["tokensvc_client.testing.pytest_plugin"]` in a conftest.py offers it."""

from collections.abc import Iterator

import pytest

from tokensvc_client.testing.server import FakeTokenService


@pytest.fixture
def fake_token_service() -> Iterator[FakeTokenService]:
    """A token service of the test's own, which stops with it."""
    with FakeTokenService() as fake:
        yield fake
