"""More calls than a process works on: the surplus is told so at once, and everything recovers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tokensvc_pb.v1 import audit_service_pb2 as audit_pb

from tests.harness import Caller, Failure, Service, failure, running_service
from tests.rpc.faults import WaitingStore, server_over, through
from tests.rpc.steps import introspect, issue, refresh, until
from tests.rpc.tables import rows_of
from tokensvc.config import load_settings
from tokensvc.domain.client import Permission

MOST = 3
OVERLOADED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", 1.0)


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Service]:
    """A service that works on three calls at a time, and sends four streams."""
    async with running_service(tmp_path / "data", max_concurrent_rpcs=MOST, max_streams=4, refusal_delay=10) as service:
        yield service


def said(refused: Failure) -> tuple[grpc.StatusCode, str, float]:
    """How a call was refused."""
    return refused.code, refused.reason, refused.retry_after


async def test_calls_beyond_the_limit_are_refused_at_once_and_then_served(small: Service) -> None:
    """While three Issues wait for the database the next one is not begun; when they are done, it is."""
    bff, store = await small.caller("bff"), WaitingStore(small.store, "within")
    async with server_over(small, store) as channel:
        caller = through(bff, channel)
        waiting = [asyncio.ensure_future(issue(caller, f"user-{number}")) for number in range(MOST)]
        await asyncio.wait_for(store.reached.wait(), 30)
        refusals = [await failure(issue(caller, "late")) for _ in range(20)]
        assert {said(refused) for refused in refusals} == {OVERLOADED}
        assert said(await failure(issue(Caller("bff", "wrong", channel)))) == OVERLOADED
        store.go_on()
        assert all(issued.refresh_token for issued in await asyncio.gather(*waiting))
        assert (await issue(caller, "late")).refresh_token
    subjects = [row["subject"] for row in rows_of(small, "sessions")]
    assert sorted(subjects) == ["late", *(f"user-{number}" for number in range(MOST))]


async def test_health_answers_whatever_happens(small: Service) -> None:
    """Who watches a busy server must not take it for a dead one."""
    bff, store = await small.caller("bff"), WaitingStore(small.store, "before")
    async with server_over(small, store) as channel:
        waiting = [asyncio.ensure_future(failure(issue(through(bff, channel)))) for _ in range(MOST)]
        await asyncio.wait_for(store.reached.wait(), 30)
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        for call in waiting:
            call.cancel()


async def test_refusals_that_wait_take_nobodys_place(small: Service) -> None:
    """Many more bad tokens wait for their answers than calls may be worked on, and good calls are served as ever."""
    bff, guard = await small.caller("bff"), small.server._guard
    calls: list[asyncio.Future[Failure]] = []
    while guard._delay.waiting < 5 * MOST:
        calls.append(asyncio.ensure_future(failure(refresh(bff.within(60), "tsr1_forged"))))
        await until(lambda: guard._delay.waiting == sum(not call.done() for call in calls))
    assert (await issue(bff)).refresh_token
    assert small.server.counts["overloaded"] == 0
    for call in calls:
        call.cancel()


async def test_what_is_turned_away_is_counted(small: Service) -> None:
    """The counter is there from the beginning."""
    bff, store = await small.caller("bff"), WaitingStore(small.store, "before")
    assert small.server.counts["overloaded"] == 0
    async with server_over(small, store) as channel:
        calls = [asyncio.ensure_future(failure(issue(through(bff, channel).within(1)))) for _ in range(MOST + 2)]
        reasons = sorted([(await call).reason for call in calls])
    assert reasons == ["OVERLOADED"] * 2 + ["STORE_UNAVAILABLE"] * MOST


async def opened(caller: Caller) -> Any:
    """A stream that has begun."""
    stream = caller.within(60).WatchAuditEvents(audit_pb.WatchAuditEventsRequest())
    await stream.initial_metadata()
    return stream


async def test_streams_have_a_limit_of_their_own(small: Service) -> None:
    """A caller has half of them and no more, all together the whole; calls are not concerned, and places come back."""
    may = frozenset(Permission)
    callers = [await small.caller(name, permissions=may) for name in ("first", "second", "third")]
    first, second, third = callers
    streams = [await opened(caller) for caller in (first, second) for _ in range(2)]
    for caller in callers:
        stream = caller.WatchAuditEvents(audit_pb.WatchAuditEventsRequest())
        assert said(await failure(stream.read())) == OVERLOADED
    for _ in range(2 * MOST):
        await introspect(third, "x")
    streams[0].cancel()
    await until(lambda: small.server._guard._streams.open == 3)
    assert said(await failure(second.WatchAuditEvents(audit_pb.WatchAuditEventsRequest()).read())) == OVERLOADED
    streams.append(await opened(third))
    for stream in streams:
        stream.cancel()


async def test_the_defaults_are_generous() -> None:
    """Nobody who does not ask for it meets a limit."""
    settings = load_settings({})
    assert (settings.max_concurrent_rpcs, settings.max_streams) == (2000, 1000)
