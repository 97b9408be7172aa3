"""A request whose time runs out: it is not executed afterwards, and the caller is told what it waited for."""

import asyncio
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb
from tokensvc_pb.v1 import token_service_pb2_grpc

from tests.harness import Caller, Service, failure
from tests.rpc.faults import WaitingStore, server_over, through
from tests.rpc.steps import issue, refresh, until
from tests.rpc.tables import rows_of
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.rpc.incoming import Rpc, in_time


async def test_the_caller_is_told_what_went_wrong_before_its_deadline(service: Service, bff: Caller) -> None:
    """A database that does not answer ends the RPC as UNAVAILABLE with a reason, not as a silent deadline."""
    async with server_over(service, WaitingStore(service.store, "before")) as channel:
        stub = token_service_pb2_grpc.TokenServiceStub(channel)
        failed = await failure(stub.Issue(pb.IssueRequest(subject="ada"), metadata=bff.metadata, timeout=0.5))
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert rows_of(service, "sessions") == []


@pytest.mark.parametrize("gives_up", [False, True], ids=["deadline", "cancelled"])
async def test_a_write_behind_a_stalled_one_is_dropped_with_its_caller(
    service: Service, bff: Caller, *, gives_up: bool
) -> None:
    """While a transaction stalls, the time of the next call runs out, or its caller gives up: it never happens."""
    store = WaitingStore(service.store, "within")
    async with server_over(service, store) as channel:
        caller = through(bff, channel)
        stalled = asyncio.ensure_future(issue(caller, "ada"))
        await asyncio.wait_for(store.reached.wait(), 30)
        late = caller.within(30 if gives_up else 2).Issue(pb.IssueRequest(subject="eve"))
        ended = asyncio.ensure_future(late.code())
        await until(lambda: queued(service) == 1)
        if gives_up:
            late.cancel()
        await ended
        await until(lambda: queued(service) == 0)
        store.go_on()
        assert (await stalled).refresh_token
        assert (await issue(caller, "bob")).refresh_token
    assert sorted(row["subject"] for row in rows_of(service, "sessions")) == ["ada", "bob"]


def queued(service: Service) -> int:
    """How many writes wait for the one under way."""
    store: Any = service.store
    return len(store._commits._queue)


async def test_a_refresh_that_came_too_late_consumes_nothing(service: Service, bff: Caller) -> None:
    """The refresh token of a call that was given up while the database stalled is as good as before."""
    issued = await issue(bff)
    store = WaitingStore(service.store, "within")
    async with server_over(service, store) as channel:
        caller = through(bff, channel)
        stalled = asyncio.ensure_future(issue(caller, "bob"))
        await asyncio.wait_for(store.reached.wait(), 30)
        assert (await failure(refresh(caller.within(0.3), issued.refresh_token))).reason == "STORE_UNAVAILABLE"
        store.go_on()
        await stalled
    (session,) = [row for row in rows_of(service, "sessions") if row["subject"] == "ada"]
    assert session["generation"] == 0


class Late:
    """The context of a call whose time was up when it was taken on."""

    def time_remaining(self) -> float:
        """Less than nothing."""
        return -0.1


async def test_what_is_too_late_is_not_begun() -> None:
    """Nothing at all is done for a call that nobody waits for."""
    begun = []

    async def serve(rpc: Rpc) -> None:
        begun.append(rpc)

    context: Any = Late()
    with pytest.raises(RefusedError) as refused:
        await in_time(serve)(Rpc(b"", context))
    assert refused.value.reason is Reason.OVERLOADED
    assert not begun
