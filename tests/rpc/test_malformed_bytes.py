"""Bytes that are no message, and messages that nobody would send on purpose."""

import random
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Failure, Service, failure, failure_of
from tests.rpc.methods import OFFERED
from tests.rpc.steps import introspect, is_active, issue
from tests.rpc.tables import tables_of

METHODS = (
    *(f"TokenService/{name}" for name in ("Issue", "Refresh", "Revoke", "Introspect", "BatchIntrospect")),
    *(f"SessionService/{name}" for name in ("ListSessions", "GetSession")),
)
STANDARD = [
    method
    for service in (
        health_pb2.DESCRIPTOR.services_by_name["Health"],
        reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
    )
    for method in service.methods
]
MALFORMED = {
    "a tag alone": b"\x0a",
    "a field that is cut off": b"\x0a\x20abc",
    "a text that is not UTF-8": b"\x0a\x02\xc3\x28",
    "a lone surrogate": b"\x0a\x03\xed\xa0\x80",
    "field number zero": b"\x02\x00",
    "a wire type that does not exist": b"\x0f",
    "an end without a beginning": b"\x0c",
    "a number that never ends": b"\x10" + b"\xff" * 11,
    "a length beyond all bounds": b"\x0a\xff\xff\xff\xff\x0f",
    "text": b"GET / HTTP/1.1\r\n\r\n",
}
WORDS = ("", "ada", "a\r\nb", "tsr1_", "é\u2028", "x" * 300)


def is_readable(method: Any, data: bytes) -> bool:
    """Whether `data` is a request of `method` after all: that a text is UTF-8 matters only where a text is."""
    try:
        message_factory.GetMessageClass(method.input_type).FromString(data)
    except DecodeError:
        return False
    return True


async def _send(caller: Caller, method: str, data: bytes) -> Failure | None:
    """Send raw bytes; answer the failure, if the call failed."""
    call = caller.channel.unary_unary(f"/tokensvc.v1.{method}")(data, metadata=caller.metadata, timeout=10)
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    return None


async def _first_answer(caller: Caller, path: str, data: bytes) -> Failure:
    """Send raw bytes to a method of any kind; answer how it fails."""
    call = caller.channel.stream_stream(path)(iter([data]), metadata=caller.metadata, timeout=10)
    return await failure(anext(aiter(call)))


@pytest.mark.parametrize("method", [*OFFERED, *STANDARD], ids=lambda method: method.full_name)
async def test_bytes_that_are_no_message_are_refused(service: Service, bff: Caller, method: Any) -> None:
    """What cannot be decoded is answered INVALID_REQUEST like any other bad request, and nothing is written."""
    before = tables_of(service)
    for kind, data in MALFORMED.items():
        if not is_readable(method, data):
            refused = await _first_answer(bff, f"/{method.containing_service.full_name}/{method.name}", data)
            assert (refused.code.name, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST"), kind
    assert tables_of(service) == before


async def test_bytes_that_are_no_message_open_no_door(service: Service) -> None:
    """Without credentials, too, malformed bytes end in a clean refusal."""
    stranger = Caller("nobody", "wrong", service.channel)
    for data in MALFORMED.values():
        refused = await _send(stranger, "TokenService/Issue", data)
        assert refused is not None
        assert refused.code.name in {"INVALID_ARGUMENT", "UNAUTHENTICATED"}


def _nested(depth: int) -> bytes:
    """An IssueRequest with claims of that depth, written by hand: the library refuses to nest so deeply."""
    struct = b""
    for _ in range(depth):
        value = _field(5, struct)  # Value.struct_value
        struct = _field(1, _field(1, b"x") + _field(2, value))  # Struct.fields, an entry of key and value
    return _field(1, b"ada") + _field(14, struct)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    low, number = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(number) if number else bytes([low])


async def test_claims_may_be_nested(bff: Caller) -> None:
    """Claims of a reasonable depth are issued and introspected."""
    issued = await bff.Issue(pb.IssueRequest.FromString(_nested(20)))
    claims = (await introspect(bff, issued.access_token)).claims
    for _ in range(20):
        assert list(claims) == ["x"]
        claims = claims["x"]


@pytest.mark.parametrize("depth", [100, 1000, 20_000])
async def test_claims_without_a_bottom_are_refused(service: Service, bff: Caller, depth: int) -> None:
    """Claims that are nested beyond all reason are refused cleanly, and nothing is written."""
    before = tables_of(service)
    refused = await _send(bff, "TokenService/Issue", _nested(depth))
    assert refused is not None
    assert (refused.code.name, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert tables_of(service) == before


async def test_claims_with_an_empty_value_are_null(bff: Caller) -> None:
    """A Value that was never set is JSON's null, and no defect."""
    request = pb.IssueRequest(subject="ada")
    request.claims.fields["nothing"].SetInParent()
    assert await is_active(bff, (await bff.Issue(request)).access_token)


async def test_a_message_beyond_all_bounds_harms_nobody_else(bff: Caller) -> None:
    """A message of 5 MB is refused, and the connection goes on."""
    refused = await failure(bff.Introspect(pb.IntrospectRequest(token="x" * 9_000_000)))
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not await is_active(bff, "nonsense")


def _samples(issued: pb.IssueResponse) -> dict[str, Message]:
    context = {"ip": "192.0.2.1", "user_agent": "App/1.0", "location": "Lyon"}
    return {
        "TokenService/Issue": pb.IssueRequest(
            subject="ada",
            scopes=["read"],
            device={"id": "phone"},
            context=context,
            access_ttl={"seconds": 60},
            auth_time={"seconds": 1},
            amr=["pwd"],
            claims={"x": [1, {"y": None}]},
        ),
        "TokenService/Refresh": pb.RefreshRequest(refresh_token=issued.refresh_token, scopes=["read"], context=context),
        "TokenService/Revoke": pb.RevokeRequest(
            device={"subject": "bob", "device_id": "phone"}, reason="logout", issued_before={"seconds": 5}
        ),
        "TokenService/Introspect": pb.IntrospectRequest(token=issued.access_token, max_staleness={"seconds": 5}),
        "TokenService/BatchIntrospect": pb.BatchIntrospectRequest(tokens=[issued.access_token, issued.refresh_token]),
        "SessionService/ListSessions": sessions_pb.ListSessionsRequest(
            subject="ada", page_size=5, page_token="MSBhYQ=="
        ),
        "SessionService/GetSession": sessions_pb.GetSessionRequest(session_id=issued.session_id),
    }


def _damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them changed, dropped, or with others put in."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changed) + 1)
        new = chance.choice([bytes([chance.randrange(256)]), chance.choice(WORDS).encode(), b""])
        changed[place : place + chance.randint(0, 2)] = new
    return bytes(changed)


@pytest.mark.parametrize("method", METHODS)
async def test_no_damage_to_a_request_is_a_defect(bff: Caller, method: str) -> None:
    """However a good request is damaged, the answer is success or a reason of the contract, never INTERNAL."""
    chance = random.Random(method)
    sample = _samples(await issue(bff))[method].SerializeToString()
    for _ in range(150):
        data = _damaged(sample, chance)
        refused = await _send(bff, method, data)
        assert refused is None or refused.reason not in {"", "INTERNAL"}, data
