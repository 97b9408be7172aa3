"""How long requests, metadata and answers may be."""

import asyncio
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import client_service_pb2 as clients_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Failure, Service, failure, policy_of
from tests.rpc.steps import introspect, is_active, issue
from tests.rpc.tables import tables_of
from tests.rpc.test_recorded_refusals import recorded
from tokensvc.domain.client import Permission
from tokensvc.rpc.message_bytes import MOST_BYTES, READ_FOR_ALL
from tokensvc.services.clients import OPERATOR

TOO_LONG = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
STRANGER = (grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNAUTHENTICATED")
NOTHING = b"\x0a\x00"
"""An empty text in field 1: of many of these a long list is made."""


async def sent(caller: Caller, method: str, data: bytes) -> tuple[grpc.StatusCode, str]:
    """How raw bytes are refused."""
    call = caller.channel.unary_unary(f"/tokensvc.v1.{method}")
    refused = await failure(call(data, metadata=caller.metadata, timeout=30))
    return refused.code, refused.reason


@pytest.mark.parametrize(
    "method", ["TokenService/Issue", "SessionService/GetSession", "KeyService/RotateKey", "ClientService/CreateClient"]
)
async def test_a_request_is_no_longer_than_any_of_its_method_can_be(service: Service, bff: Caller, method: str) -> None:
    """Megabytes where there should be a few names are refused before they are read, and nothing is written."""
    before = tables_of(service)
    assert await sent(bff, method, bytes(3 * 1024 * 1024)) == TOO_LONG
    assert tables_of(service) == before


async def test_the_largest_description_of_a_client_is_taken(service: Service) -> None:
    """One that acts for a thousand others with the longest names."""
    admin = await service.caller("admin", permissions=frozenset({Permission.ADMIN}))
    acts_for = [f"{number:04}".ljust(255, "x") for number in range(1000)]
    client = clients_pb.Client(client_id="large", type=clients_pb.CLIENT_TYPE_CONFIDENTIAL, acts_for=acts_for)
    created = await admin.CreateClient(clients_pb.CreateClientRequest(client=client))
    assert list(created.client.acts_for) == acts_for


async def test_a_long_request_is_read_for_callers_alone(service: Service, bff: Caller) -> None:
    """A stranger's is not even looked at: the same bytes that are no message say so to a caller."""
    garbage = b"\xff" * (READ_FOR_ALL + 1)
    for method in ("TokenService/BatchIntrospect", "TokenService/Introspect", "TokenService/Issue"):
        assert await sent(bff, method, garbage) == TOO_LONG
        assert await sent(Caller("bff", "wrong", service.channel), method, garbage) == STRANGER


async def test_a_long_request_of_a_new_client_is_read(service: Service, bff: Caller) -> None:
    """Although a view from a moment ago, by which strangers are told, does not know it yet."""
    assert await is_active(bff, (await issue(bff)).access_token)
    new = await service.caller("new")
    assert not await is_active(new, "x" * (READ_FOR_ALL + 1))


async def test_a_long_request_of_a_disabled_client_is_a_strangers(service: Service, bff: Caller) -> None:
    """In the trail, too, it is only claimed to be the client's: nobody was recognised."""
    assert await is_active(bff, (await issue(bff)).access_token)
    await service.clients.set_disabled("bff", disabled=True, caller=OPERATOR)
    for length in (1, READ_FOR_ALL + 1):
        assert (await failure(introspect(bff, "x" * length))).reason == "CALLER_UNAUTHENTICATED"
    assert {(event["caller"], event["client_id"]) for event in await recorded(service)} == {("", "bff")}


async def test_what_everybody_may_ask_is_short(service: Service, bff: Caller) -> None:
    """GetJwks and health have nothing to be asked."""
    assert await sent(bff, "KeyService/GetJwks", bytes(READ_FOR_ALL + 1)) == TOO_LONG
    call = service.channel.unary_unary("/grpc.health.v1.Health/Check")(NOTHING * READ_FOR_ALL, timeout=30)
    assert (await failure(call)).reason == "INVALID_REQUEST"


async def test_a_long_request_is_served_as_any_other(bff: Caller) -> None:
    """A batch of megabytes, with access tokens and what is none, in its order."""
    token = (await issue(bff)).access_token
    batch = await bff.BatchIntrospect(pb.BatchIntrospectRequest(tokens=[token, "x" * 30_000] * 100))
    assert [result.active for result in batch.results] == [True, False] * 100


async def test_a_token_may_be_any_text(bff: Caller) -> None:
    """What is far too long to be one is inactive like any other that is none."""
    assert not await is_active(bff, "x" * (8 * MOST_BYTES))


async def test_millions_of_tokens_are_too_many(bff: Caller) -> None:
    """A batch as long as it may be, of empty texts, is refused in a moment."""
    async with asyncio.timeout(5):
        assert await sent(bff, "TokenService/BatchIntrospect", NOTHING * 4_000_000) == TOO_LONG


async def test_metadata_has_a_limit(service: Service, bff: Caller) -> None:
    """A call with more than 16 kB of it is refused, and the connection goes on."""
    refused = await with_metadata(bff, "x" * 17_000)
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not await is_active(bff, "x")
    call = bff.channel.unary_unary("/tokensvc.v1.TokenService/Introspect")
    assert await call(b"\x0a\x01x", metadata=(*bff.metadata, ("traceparent", "x" * 8_000)), timeout=30) == b""


async def with_metadata(caller: Caller, value: str) -> Failure:
    """How a call with this in its metadata fails."""
    call = caller.channel.unary_unary("/tokensvc.v1.TokenService/Introspect")
    return await failure(call(b"\x0a\x01x", metadata=(*caller.metadata, ("baggage", value)), timeout=30))


@pytest.fixture
async def wordy(service: Service) -> Caller:
    """A caller whose tokens say a lot."""
    return await service.caller("wordy", policy=policy_of())


def claims(number: int) -> dict[str, Any]:
    """Nearly four kilobytes."""
    return {"text": "x" * 4000, "number": number}


async def test_an_answer_that_no_client_would_take_is_refused(wordy: Caller) -> None:
    """Gathered, what a thousand tokens say can be longer than 4 MiB; that is said, and how to go on."""
    tokens = [
        (await issue(wordy, "a" * 255, access_only=True, claims=claims(number))).access_token for number in range(10)
    ]
    refused = await failure(wordy.BatchIntrospect(pb.BatchIntrospectRequest(tokens=tokens * 100)))
    assert (refused.code, refused.reason, refused.fields) == (*TOO_LONG, ("tokens",))
    batch = await wordy.BatchIntrospect(pb.BatchIntrospectRequest(tokens=tokens * 90))
    assert len(batch.results) == 900
    assert (await introspect(wordy, tokens[3])).claims["number"] == 3
