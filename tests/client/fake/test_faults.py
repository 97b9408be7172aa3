"""What a test can ask the fake to do to calls, and what it learns of them."""

import asyncio
import threading

import grpc
import pytest
from tokensvc_client.testing import FakeTokenService, ReceivedCall
from tokensvc_pb.v1 import token_service_pb2 as pb
from tokensvc_pb.v1 import token_service_pb2_grpc as rpc

from tests.client.fake.dialling import Dialled, refused

GONE = (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", 0)


def test_the_next_calls_fail_as_they_are_told(fake: FakeTokenService, bff: Dialled) -> None:
    """So many calls of a method are refused, nothing is done for them, and others go on."""
    issued = fake.issue("ada")
    fake.fail_next("Refresh", times=2)
    assert refused(lambda: bff.refresh(issued.refresh_token)) == GONE
    assert bff.is_active(issued.refresh_token)
    assert refused(lambda: bff.refresh(issued.refresh_token)) == GONE
    assert bff.refresh(issued.refresh_token).session_id == issued.session_id


def test_a_refusal_may_say_when_to_come_back(fake: FakeTokenService, bff: Dialled) -> None:
    """RetryInfo is in its details."""
    fake.fail_next("Introspect", "RATE_LIMITED", retry_after=1.5)
    assert refused(lambda: bff.is_active("x")) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", 1.5)


@pytest.mark.parametrize(("method", "reason"), [("Refesh", "OVERLOADED"), ("Refresh", "OVERLODED")])
def test_what_can_never_happen_is_an_error_of_the_test(fake: FakeTokenService, method: str, reason: str) -> None:
    """A misspelt name would leave a test without the fault that it wants to see."""
    with pytest.raises(ValueError, match="contract has no"):
        fake.fail_next(method, reason)


def test_a_lost_answer_was_worked_for(fake: FakeTokenService, bff: Dialled) -> None:
    """The token is consumed, the caller sees UNAVAILABLE without a reason, and a retry gets the successor."""
    issued = fake.issue("ada")
    fake.lose_next("Refresh")
    assert refused(lambda: bff.refresh(issued.refresh_token)) == (grpc.StatusCode.UNAVAILABLE, "", 0)
    assert not bff.is_active(issued.refresh_token)
    assert bff.is_active(bff.refresh(issued.refresh_token).refresh_token)


def test_faults_come_in_the_order_in_which_they_were_asked_for(fake: FakeTokenService, bff: Dialled) -> None:
    """First this, then that, then nothing more."""
    fake.fail_next("Introspect", "OVERLOADED")
    fake.fail_next("Introspect", "INTERNAL")
    assert [refused(lambda: bff.is_active("x"))[1] for _ in range(2)] == ["OVERLOADED", "INTERNAL"]
    assert not bff.is_active("x")


def test_recovery_takes_back_what_is_in_store(fake: FakeTokenService, bff: Dialled) -> None:
    """Afterwards all goes well."""
    fake.fail_next("Introspect", times=5)
    fake.recover()
    assert not bff.is_active("x")


def test_a_held_call_waits_for_its_release(fake: FakeTokenService, bff: Dialled) -> None:
    """Nothing is done for it before: what happens meanwhile comes first."""
    issued = fake.issue("ada")
    held = fake.delay("Introspect")
    seen: list[bool] = []
    calling = threading.Thread(target=lambda: seen.append(bff.is_active(issued.access_token)))
    calling.start()
    held.wait_for_call()
    fake.revoke(subject="ada")
    assert seen == []
    held.release()
    calling.join(10)
    assert seen == [False]


def test_a_call_that_never_comes_is_not_waited_for_for_ever(fake: FakeTokenService) -> None:
    """The test fails instead."""
    with pytest.raises(TimeoutError):
        fake.delay("Introspect").wait_for_call(0.01)


async def test_a_held_call_of_an_asynchronous_caller_can_be_given_up(fake: FakeTokenService) -> None:
    """A deadline ends the call, and not the fake."""
    held = fake.delay("Introspect")
    metadata = (("authorization", "Basic YmZmOnNlY3JldA=="),)
    async with grpc.aio.insecure_channel(fake.target) as channel:
        introspect = rpc.TokenServiceStub(channel).Introspect
        call = introspect(pb.IntrospectRequest(token="x"), metadata=metadata)
        await asyncio.to_thread(held.wait_for_call)
        call.cancel()
        assert not (await introspect(pb.IntrospectRequest(token="x"), metadata=metadata, timeout=10)).active


def test_the_fake_tells_what_it_was_asked(fake: FakeTokenService, bff: Dialled) -> None:
    """Every call is there, in order, also one that was refused; what the test itself does is not."""
    token = fake.issue("ada").access_token
    fake.fail_next("Introspect")
    refused(lambda: bff.is_active(token))
    bff.is_active(token)
    assert fake.requests == [ReceivedCall("Introspect", pb.IntrospectRequest(token=token))] * 2


def test_a_fake_stops_with_calls_that_are_held() -> None:
    """A test that fails in between does not hang, and nothing is done for them."""
    with FakeTokenService() as fake:
        channel = grpc.insecure_channel(fake.target)
        held = fake.delay("GetJwks")
        call = channel.unary_unary("/tokensvc.v1.KeyService/GetJwks").future(b"", timeout=10)
        held.wait_for_call()
    with channel:
        assert isinstance(call.exception(timeout=10), grpc.RpcError)
