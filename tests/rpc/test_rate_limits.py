"""A client's rate limit over real gRPC: who calls too often is told when to come back."""

from collections import Counter

import grpc
import pytest
from tokensvc_pb.v1 import audit_service_pb2 as audit_pb
from tokensvc_pb.v1 import key_service_pb2 as keys_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import ALL_PERMISSIONS, Caller, Failure, Service, failure
from tests.rpc.steps import introspect, issue, refresh
from tests.rpc.tables import rows_of
from tokensvc.domain.client import Permission
from tokensvc.domain.rate_limit import RateLimit
from tokensvc.services.clients import OPERATOR

LIMIT = RateLimit(2, 3)


@pytest.fixture
async def limited(service: Service) -> Caller:
    """A caller that may call twice a second, and three times at once."""
    may = ALL_PERMISSIONS | {Permission.ADMIN}
    return await service.caller("limited", permissions=may, rate_limit=LIMIT)


async def use_up(caller: Caller) -> None:
    """Make the three calls."""
    for _ in range(LIMIT.burst):
        await introspect(caller, "x")


async def refused(caller: Caller) -> Failure:
    """How the next call fails."""
    return await failure(introspect(caller, "x"))


async def test_one_call_too_many_is_refused(limited: Caller) -> None:
    """With the reason, and the time until a call passes."""
    await use_up(limited)
    said = await refused(limited)
    assert (said.code, said.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert said.retry_after == 0.5


async def test_who_waits_as_told_is_served(service: Service, limited: Caller) -> None:
    """A moment earlier is too early."""
    await use_up(limited)
    service.clock.advance(seconds=0.49)
    assert (await refused(limited)).retry_after == 0.01
    service.clock.advance(seconds=0.01)
    await introspect(limited, "x")
    assert (await refused(limited)).retry_after == 0.5


async def test_a_long_request_too_many_is_not_read(limited: Caller) -> None:
    """Bytes that are no message are refused for their number, not for what they are."""
    await use_up(limited)
    call = limited.channel.unary_unary("/tokensvc.v1.TokenService/BatchIntrospect")
    garbage = call(b"\xff" * 20_000, metadata=limited.metadata, timeout=10)
    assert (await failure(garbage)).reason == "RATE_LIMITED"


async def test_every_method_counts(limited: Caller) -> None:
    """Also one that fails, and a stream."""
    await failure(refresh(limited, "tsr1_forged"))
    await limited.ListKeys(keys_pb.ListKeysRequest())
    stream = limited.WatchAuditEvents(audit_pb.WatchAuditEventsRequest())
    await stream.initial_metadata()
    assert (await refused(limited)).reason == "RATE_LIMITED"
    again = limited.WatchAuditEvents(audit_pb.WatchAuditEventsRequest())
    assert (await failure(again.read())).reason == "RATE_LIMITED"
    stream.cancel()


async def test_nothing_is_done_for_a_call_too_many(service: Service, limited: Caller) -> None:
    """No session begins."""
    await use_up(limited)
    assert (await failure(issue(limited))).reason == "RATE_LIMITED"
    assert rows_of(service, "sessions") == []


async def test_others_are_not_concerned(service: Service, bff: Caller, limited: Caller) -> None:
    """Each caller has its own limit, or none; also strangers that name the client use up nothing of it."""
    for _ in range(10):
        await failure(introspect(Caller("limited", "wrong", service.channel), "x"))
    await use_up(limited)
    await refused(limited)
    for _ in range(20):
        await introspect(bff, "x")


async def test_a_batch_counts_by_its_tokens(service: Service, limited: Caller) -> None:
    """Ten tokens are a call, begun ones too; a batch that is more than there is passes and is paid for afterwards."""
    await limited.BatchIntrospect(pb.BatchIntrospectRequest(tokens=["x"] * 81))
    service.clock.advance(seconds=3.49)
    assert (await refused(limited)).reason == "RATE_LIMITED"
    service.clock.advance(seconds=0.01)
    await introspect(limited, "x")


async def test_a_new_limit_counts_at_once(service: Service, limited: Caller) -> None:
    """It begins with all its calls; without one there is no end to them."""
    await use_up(limited)
    await service.clients.update("limited", {"rate_limit": RateLimit(1)}, caller=OPERATOR)
    await introspect(limited, "x")
    assert (await refused(limited)).retry_after == 1
    await service.clients.update("limited", {"rate_limit": RateLimit()}, caller=OPERATOR)
    for _ in range(20):
        await introspect(limited, "x")


async def test_refusals_are_counted_and_recorded_bounded(service: Service, limited: Caller) -> None:
    """One event tells of all of them."""
    await use_up(limited)
    for _ in range(5):
        await refused(limited)
    assert service.server.counts["rate_limited"] == 5
    await service.server._refusals.flush()
    events = [row for row in rows_of(service, "audit_events") if row["type"] == "refused"]
    assert [(event["reason"], event["caller"]) for event in events] == [("RATE_LIMITED", "limited")]
    assert '"count":5' in events[0]["details"]


async def test_without_a_limit_nothing_is_kept(service: Service, bff: Caller) -> None:
    """Who has no limit leaves no trace among those who have."""
    await introspect(bff, "x")
    assert not service.server._guard._rates._allowances._used_until


def test_a_burst_that_is_not_given_is_a_second_of_calls() -> None:
    """One at least."""
    limits = [RateLimit(0.1), RateLimit(2.5), RateLimit(2.5, 7)]
    assert Counter(limit.calls_at_once for limit in limits) == Counter([1, 2, 7])
