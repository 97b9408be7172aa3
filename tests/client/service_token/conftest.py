"""What sources of a service's own token are tested with."""

from collections.abc import AsyncIterator, Iterator

import pytest
from tokensvc_client import AsyncTokenClient, Secret, TokenClient
from tokensvc_client.service_token import AsyncServiceToken, ServiceToken
from tokensvc_client.testing import FakeTokenService

Source = ServiceToken | AsyncServiceToken
ORDER = {"subject": "orders", "audiences": ("shop-api",), "scopes": ("read",)}
ME = Secret("orders", "secret")


@pytest.fixture
def fake() -> Iterator[FakeTokenService]:
    """The token service."""
    with FakeTokenService() as fake:
        yield fake


@pytest.fixture(params=["threads", "asyncio"])
async def source(request: pytest.FixtureRequest, fake: FakeTokenService) -> AsyncIterator[Source]:
    """A source of each kind, by the clock of the service; chance is in the middle."""
    if request.param == "threads":
        with TokenClient(fake.target, credentials=ME) as client:
            yield ServiceToken(client, **ORDER, clock=fake.clock, chance=lambda: 0.5)
    else:
        async with AsyncTokenClient(fake.target, credentials=ME) as async_client:
            yield AsyncServiceToken(async_client, **ORDER, clock=fake.clock, chance=lambda: 0.5)
