"""What relays of refreshes are tested with."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from tokensvc_client import AsyncTokenClient, Retries, Secret, TokenClient
from tokensvc_client.relay import AsyncRefreshRelay, RefreshRelay
from tokensvc_client.testing import FakeTokenService

Relay = RefreshRelay | AsyncRefreshRelay
ME = Secret("bff", "secret")
KEEP = timedelta(seconds=10)


@pytest.fixture
def fake() -> Iterator[FakeTokenService]:
    """The token service."""
    with FakeTokenService() as fake:
        yield fake


@pytest.fixture(params=["threads", "asyncio"])
async def relay(request: pytest.FixtureRequest, fake: FakeTokenService) -> AsyncIterator[Relay]:
    """A relay of each kind, by the clock of the service."""
    retries = Retries(attempts=2)
    if request.param == "threads":
        with TokenClient(fake.target, credentials=ME, retries=retries) as client:
            yield RefreshRelay(client, keep=KEEP, clock=fake.clock)
    else:
        async with AsyncTokenClient(fake.target, credentials=ME, retries=retries) as async_client:
            yield AsyncRefreshRelay(async_client, keep=KEEP, clock=fake.clock)
