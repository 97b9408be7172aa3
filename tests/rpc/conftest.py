"""What tests of RPCs share: the log as the server writes it, and callers that trade tokens."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.harness import Caller, Service
from tests.rpc.exchanges import READER, Company, founded
from tokensvc.cli.logs import configure_logs


@pytest.fixture(params=["console", "json"])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What the server writes, at the finest level, set up as the server does it; afterwards all is as it was."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    configure_logs(request.param, stream)
    structlog.configure(cache_logger_on_first_use=False)
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def company(service: Service) -> Company:
    """Callers that trade tokens."""
    return await founded(service)


@pytest.fixture
async def reader(service: Service) -> Caller:
    """A caller that sees every token."""
    return await service.caller("reader", **READER)
