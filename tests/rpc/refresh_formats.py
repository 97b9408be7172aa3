"""Owns the formats of refresh tokens that the numbered cases run over, and a service on either database to run them in.

A case is a behaviour that has gone wrong in other token services; its number stands in the name of its test.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.domain.samples import GRANT, HANDLE
from tests.fakes import FakeClock
from tests.harness import ISSUER, Caller, Service, failure, policy_of, running_service
from tests.rpc.faults import second_node, through
from tests.rpc.steps import is_active, issue, refresh
from tests.store.kinds import drop_postgres, postgres_url
from tokensvc.crypto.key_ring import MacKey
from tokensvc.crypto.refresh_tokens import RefreshTokenFormats
from tokensvc.domain.policy import ExchangePolicy, RefreshTokenFormat
from tokensvc.domain.session import begin

OPAQUE, JWT, STATELESS = RefreshTokenFormat.OPAQUE, RefreshTokenFormat.JWT, RefreshTokenFormat.STATELESS_JWT


def _under(*formats: RefreshTokenFormat) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("token_format", formats, ids=str)


IN_EVERY_FORMAT = _under(OPAQUE, JWT, STATELESS)
# Not stateless: such a token brings its generation along, and there is no row to compare it with. So nothing is ever
# consumed, and no use is a reuse; beside each of these tests one shows what happens instead.
WHERE_A_ROW_COUNTS = _under(OPAQUE, JWT)
WITHOUT_A_ROW = _under(STATELESS)

ON_BOTH_DATABASES = pytest.mark.parametrize("database", ["sqlite", "postgres"])


async def app_under(service: Service, token_format: RefreshTokenFormat, **policy: Any) -> Caller:
    """A client `app` whose refresh tokens have that format; it may trade its own access tokens for narrower ones."""
    policies: Any = {
        "policy": policy_of(refresh_token_format=token_format, **policy),
        "exchange_policy": ExchangePolicy(subject_clients=frozenset({"app"}), audiences=frozenset({"api"})),
    }
    return await service.caller("app", **policies)


async def rotated(caller: Caller, times: int, **fields: Any) -> list[pb.IssueResponse | pb.RefreshResponse]:
    """Issue and refresh so often; answer what was given, oldest first."""
    given: list[pb.IssueResponse | pb.RefreshResponse] = [await issue(caller, **fields)]
    for _ in range(times):
        given.append(await refresh(caller, given[-1].refresh_token))
    return given


def both(given: pb.IssueResponse | pb.RefreshResponse) -> tuple[str, str]:
    """The access and the refresh token."""
    return given.access_token, given.refresh_token


async def refused(call: Any) -> str:
    """The reason for which a call fails, as it must."""
    return (await failure(call)).reason


async def is_dead(caller: Caller, *given: pb.IssueResponse | pb.RefreshResponse) -> bool:
    """Whether no token of all that was given is active."""
    return not any([await is_active(caller, token) for one in given for token in both(one)])


def of_another_installation(token_format: RefreshTokenFormat) -> str:
    """A well-made token for `app` under a key that is not ours."""
    session = replace(begin(replace(GRANT, client_id="app")), is_stateless=token_format is STATELESS)
    keys = [MacKey(1, b"the key of another installation.")]
    return RefreshTokenFormats(keys, keys, ISSUER).mint(HANDLE, session, token_format)


class Place:
    """Where a service can be started, stopped and started again: it finds what it has left."""

    def __init__(self, database: str, data_dir: Path, clock: FakeClock) -> None:
        self._flags: dict[str, Any] = {}
        if database == "postgres":
            self._flags = {"database_url": postgres_url(data_dir), "database_timeout": 20}
        self._data_dir = data_dir
        self._clock = clock
        self._running: AbstractAsyncContextManager[Service] | None = None

    async def start(self) -> Service:
        """Start a service."""
        self._running = running_service(self._data_dir, clock=self._clock, **self._flags)
        return await self._running.__aenter__()

    async def stop(self) -> None:
        """Stop it, if one is running."""
        running, self._running = self._running, None
        if running:
            await running.__aexit__(None, None, None)


@asynccontextmanager
async def place_on(database: str, data_dir: Path, clock: FakeClock) -> AsyncIterator[Place]:
    """A place on `database`, "sqlite" or "postgres"; at the end nothing is left of it."""
    place = Place(database, data_dir, clock)
    yield place
    await place.stop()
    drop_postgres(data_dir)


async def twenty_at_once(service: Service, caller: Caller, token: str) -> tuple[list[pb.RefreshResponse], list[str]]:
    """Refresh one token twenty times at once over two nodes; answer the successes, and why the others were refused."""
    async with second_node(service) as channel:
        callers = [caller, through(caller, channel)] * 10
        calls = [asyncio.ensure_future(refresh(one, token)) for one in callers]
        await asyncio.wait(calls)
    won = [call.result() for call in calls if call.exception() is None]
    return won, [await refused(call) for call in calls if call.exception() is not None]
