"""Several worker processes behind one address: they serve alike, are replaced when they die, and on request."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.cli.processes import TOKENSVC, Process, run_to_end, serving
from tests.harness import Caller
from tests.system.processes import create_client

WORKERS = 2
LIMIT = 30


@dataclass
class Fleet:
    """A supervisor and its workers on one data directory."""

    data_dir: Path
    process: Process
    address: str
    health_address: str
    secret: str

    @property
    def port(self) -> int:
        """The port that all workers listen on."""
        return int(self.address.rpartition(":")[2])

    def workers(self) -> list[psutil.Process]:
        """The workers that run now."""
        return psutil.Process(self.process.popen.pid).children()

    async def said(self, event: str) -> None:
        """Wait until a log line has `event`, without holding up those who call."""
        await asyncio.to_thread(self.process.wait_for, event)

    @asynccontextmanager
    async def callers(self, count: int) -> AsyncIterator[list[Caller]]:
        """Callers with a connection each, so that the workers share them."""
        options = (("grpc.use_local_subchannel_pool", 1),)
        channels = [grpc.aio.insecure_channel(self.address, options=options) for _ in range(count)]
        try:
            async with asyncio.timeout(LIMIT):
                await asyncio.gather(*(channel.channel_ready() for channel in channels))
            yield [Caller("bff", self.secret, channel) for channel in channels]
        finally:
            await asyncio.gather(*(channel.close() for channel in channels))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two workers whose connections live for a second."""
    data_dir = tmp_path_factory.mktemp("workers") / "data"
    secret = create_client(data_dir, "bff", "--permission", "issue,refresh,introspect,revoke", "--scope", "read")
    flags = ("--workers", str(WORKERS), "--max-connection-age", "1", "--health-listen", "127.0.0.1:0")
    with serving(data_dir, *flags) as (process, said):
        assert said["workers"] == WORKERS
        yield Fleet(data_dir, process, said["address"], said["health_address"], secret)
        assert process.end() == 0


async def test_every_worker_serves(fleet: Fleet) -> None:
    """The connections are spread over the workers, and each of them answers."""
    async with fleet.callers(32) as callers:
        shares = [
            sum(one.laddr.port == fleet.port and one.status == "ESTABLISHED" for one in worker.net_connections())
            for worker in fleet.workers()
        ]
        issued = await asyncio.gather(*(caller.Issue(pb.IssueRequest(subject="ada")) for caller in callers))
    assert len(shares) == WORKERS
    assert all(shares)
    assert len({answer.session_id for answer in issued}) == len(callers)


async def test_a_revocation_counts_at_once_for_every_worker(fleet: Fleet) -> None:
    """What is revoked over one connection is inactive over all of them, as soon as the revocation is answered."""
    async with fleet.callers(12) as callers:
        for revoker in callers:
            issued = await revoker.Issue(pb.IssueRequest(subject="ada"))
            question = pb.IntrospectRequest(token=issued.access_token)
            before = await asyncio.gather(*(caller.Introspect(question) for caller in callers))
            await revoker.Revoke(pb.RevokeRequest(token=issued.refresh_token))
            after = await asyncio.gather(*(caller.Introspect(question) for caller in callers))
            assert all(answer.active for answer in before)
            assert not any(answer.active for answer in after)


async def test_a_killed_worker_is_replaced(fleet: Fleet) -> None:
    """Another worker takes its place, and both serve; the other one has not been disturbed."""
    killed, other = fleet.workers()
    killed.kill()
    await fleet.said("a new worker serves")
    workers = fleet.workers()
    assert other in workers
    assert killed not in workers
    assert len(workers) == WORKERS
    async with fleet.callers(16) as callers:
        await asyncio.gather(*(caller.Issue(pb.IssueRequest(subject="ada")) for caller in callers))


async def use(caller: Caller, ended: asyncio.Event) -> int:
    """Issue, introspect and refresh until `ended`; any failure comes out. Answer how many calls there were."""
    issued = await caller.Issue(pb.IssueRequest(subject="ada"))
    access_token, refresh_token, calls = issued.access_token, issued.refresh_token, 1
    while not ended.is_set():
        assert (await caller.Introspect(pb.IntrospectRequest(token=access_token))).active
        refreshed = await caller.Refresh(pb.RefreshRequest(refresh_token=refresh_token))
        access_token, refresh_token, calls = refreshed.access_token, refreshed.refresh_token, calls + 2
    return calls


async def probe(address: str, ended: asyncio.Event) -> int:
    """Ask for the health on a new connection each time until `ended`; answer how often."""
    probes = 0
    while not ended.is_set():
        async with grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LIMIT)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        probes += 1
    return probes


async def test_sighup_replaces_the_workers_under_load_without_a_failed_rpc(fleet: Fleet) -> None:
    """Callers use the service while every worker gives way to a new one, and notice nothing; nor do probes."""
    before = fleet.workers()
    async with fleet.callers(8) as callers:
        ended = asyncio.Event()
        load = [asyncio.create_task(use(caller, ended)) for caller in callers for _ in range(2)]
        load.append(asyncio.create_task(probe(fleet.health_address, ended)))
        fleet.process.popen.send_signal(signal.SIGHUP)
        await fleet.said("the workers are replaced")
        ended.set()
        calls = await asyncio.gather(*load)
    after = fleet.workers()
    assert min(calls) > 1
    assert len(after) == WORKERS
    assert not set(before) & set(after)


async def test_workers_stay_when_new_ones_cannot_serve(fleet: Fleet) -> None:
    """SIGHUP in an installation that has become unusable leaves the workers at work that it still has."""
    before = fleet.workers()
    root_key = fleet.data_dir / "root.key"
    root_key.chmod(0o644)
    try:
        fleet.process.popen.send_signal(signal.SIGHUP)
        await fleet.said("a new worker cannot serve, so the old ones stay")
    finally:
        root_key.chmod(0o600)
    assert fleet.workers() == before


async def test_signals_of_the_terminal_are_for_the_supervisor(fleet: Fleet) -> None:
    """A worker that gets SIGINT or SIGHUP goes on to serve."""
    before = fleet.workers()
    for worker in before:
        os.kill(worker.pid, signal.SIGINT)
        os.kill(worker.pid, signal.SIGHUP)
    async with fleet.callers(16) as callers:
        await asyncio.gather(*(caller.Issue(pb.IssueRequest(subject="ada")) for caller in callers))
    assert fleet.workers() == before


def test_another_server_does_not_share_the_port(fleet: Fleet, tmp_path: Path) -> None:
    """Workers share their port among themselves, not with those of another supervisor."""
    address = ("--listen", fleet.address)
    ended = run_to_end(*TOKENSVC, "serve", "--workers", "2", "--data-dir", tmp_path / "d", *address)
    assert ended.returncode == 1
    assert ended.stderr == f"error: cannot listen on {fleet.address}: Address already in use\n"


def test_workers_do_not_outlive_their_supervisor(tmp_path: Path) -> None:
    """After kill -9 of the supervisor its workers end by themselves."""
    with serving(tmp_path / "data", "--workers", str(WORKERS)) as (process, _):
        workers = psutil.Process(process.popen.pid).children()
        process.popen.kill()
        _, alive = psutil.wait_procs(workers, timeout=LIMIT)
    assert len(workers) == WORKERS
    assert alive == []


def test_a_worker_that_hangs_is_killed(tmp_path: Path) -> None:
    """A worker that does not obey SIGTERM does not keep the service from ending."""
    with serving(tmp_path / "data", "--workers", str(WORKERS), "--shutdown-grace", "0") as (process, _):
        hanging, *_ = psutil.Process(process.popen.pid).children()
        hanging.suspend()
        assert process.end() == 0
        assert not hanging.is_running()
    assert any(f'"worker": {hanging.pid}, "event": "a worker did not end' in line for line in process.lines)
