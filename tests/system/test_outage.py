"""PostgreSQL goes away under load and comes back: everybody is told, nothing needs a restart."""

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, failure_of
from tests.postgres import Postgres
from tests.system.processes import ServerProcess, calling, create_client, serving, tokensvc

SECONDS = float(os.environ.get("TOKENSVC_TEST_OUTAGE", "4"))  # how long it is away
DEADLINE = 2.0
SLACK = 0.5  # for a busy machine
CALLERS = 8

States = health_pb2.HealthCheckResponse


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server of its own."""
    with tempfile.TemporaryDirectory(prefix="tokensvc-", ignore_cleanup_errors=True) as directory:
        postgres = Postgres.create(Path(directory) / "data").start()
        postgres.create_database()
        yield postgres
        postgres.stop()


@pytest.fixture
def node(postgres: Postgres, tmp_path: Path) -> Iterator[tuple[ServerProcess, str]]:
    """A node on it, and the secret of the client "bff"."""
    settings = {"database_url": postgres.url()}
    tokensvc("db", "upgrade", data_dir=tmp_path, **settings)
    flags = ("--permission", "issue,refresh,introspect,revoke", "--answers-for", "api", "--audience", "api")
    secret = create_client(tmp_path, "bff", *flags, **settings)
    with serving(tmp_path, **settings) as server:
        yield server, secret


class Load:
    """Callers that go on whatever happens; counts what became of their calls."""

    def __init__(self, caller: Caller, calls: int = 0) -> None:
        self._caller = caller
        self._calls = calls
        self.enough = asyncio.Event()
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0

    async def run(self, number: int) -> None:
        """Issue, introspect and refresh again and again until cancelled."""
        while True:
            issued = await self._call(self._caller.Issue, pb.IssueRequest(subject=f"user-{number}"))
            if issued is not None:
                await self._call(self._caller.Introspect, pb.IntrospectRequest(token=issued.access_token))
                await self._call(self._caller.Refresh, pb.RefreshRequest(refresh_token=issued.refresh_token))
            await asyncio.sleep(0.02)

    async def _call(self, method: object, request: object) -> pb.IssueResponse | None:
        began = time.monotonic()
        try:
            answer = await method(request)
        except grpc.aio.AioRpcError as error:
            failed = failure_of(error)
            self.outcomes[f"{failed.code.name} {failed.reason}"] += 1
            return None
        else:
            self.outcomes["OK"] += 1
            return answer
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)
            if self.outcomes.total() >= self._calls:
                self.enough.set()


async def health_becomes(caller: Caller, state: int) -> None:
    """Wait until the health service says `state`."""
    watch = health_pb2_grpc.HealthStub(caller.channel).Watch(health_pb2.HealthCheckRequest())
    async with asyncio.timeout(15):
        async for answer in watch:
            if answer.status == state:
                break
    watch.cancel()


async def under_load(caller: Caller, calls: int) -> Load:
    """Run a load until so many calls have ended."""
    load = Load(caller, calls)
    callers = [asyncio.create_task(load.run(number)) for number in range(CALLERS)]
    async with asyncio.timeout(30):
        await load.enough.wait()
    for one in callers:
        one.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    return load


@pytest.mark.parametrize("fault", ["stop", "freeze"])
async def test_an_outage_is_told_and_heals(node: tuple[ServerProcess, str], postgres: Postgres, fault: str) -> None:
    """Gone or silent: calls end by their deadline as STORE_UNAVAILABLE, health follows, and then all is well again."""
    server, secret = node
    with calling(server, "bff", secret) as plain:
        caller = plain.within(DEADLINE)
        assert set((await under_load(caller, 50)).outcomes) == {"OK"}
        load = Load(caller)
        callers = [asyncio.create_task(load.run(number)) for number in range(CALLERS)]
        getattr(postgres, fault)()
        went = time.monotonic()
        await health_becomes(caller, States.NOT_SERVING)
        await asyncio.sleep(max(0.0, went + SECONDS - time.monotonic()))
        for one in callers:
            one.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        postgres.thaw() if fault == "freeze" else postgres.start()
        await health_becomes(caller, States.SERVING)
        assert set((await under_load(caller, 50)).outcomes) == {"OK"}
        await plain.channel.close()
    assert load.outcomes["UNAVAILABLE STORE_UNAVAILABLE"] > CALLERS
    assert set(load.outcomes) <= {"OK", "UNAVAILABLE STORE_UNAVAILABLE"}
    assert load.slowest < DEADLINE + SLACK
    assert server.terminate() == 0
