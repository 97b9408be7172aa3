"""Who calls: the one refusal of whoever is not recognised, and the spellings of credentials that are."""

import base64
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure_of
from tests.rpc.steps import is_active, issue
from tests.rpc.tables import tables_of
from tokensvc.services.clients import OPERATOR

Metadata = tuple[tuple[str, Any], ...]


def _basic(pair: str | bytes, scheme: str = "Basic") -> tuple[str, str]:
    data = pair.encode() if isinstance(pair, str) else pair
    return "authorization", f"{scheme} {base64.b64encode(data).decode()}"


def _good(bff: Caller) -> tuple[str, str]:
    return bff.metadata[0]


STRANGERS: dict[str, Callable[[Caller], Metadata]] = {
    "no metadata": lambda _: (),
    "empty": lambda _: (("authorization", ""),),
    "scheme alone": lambda _: (("authorization", "Basic"),),
    "scheme and space": lambda _: (("authorization", "Basic "),),
    "another scheme": lambda bff: (_basic(f"bff:{bff.secret}", "Bearer"),),
    "no scheme": lambda bff: (("authorization", _good(bff)[1].removeprefix("Basic ")),),
    "another header": lambda bff: (("proxy-authorization", _good(bff)[1]),),
    "binary header": lambda bff: (("authorization-bin", _good(bff)[1].encode()),),
    "bad base64": lambda _: (("authorization", "Basic !!!!"),),
    "base64 without padding": lambda _: (("authorization", "Basic YTpiY"),),
    "base64 with more behind": lambda bff: (("authorization", _good(bff)[1] + " x"),),
    "two entries": lambda bff: (_good(bff), _good(bff)),
    "a good and a bad entry": lambda bff: (_good(bff), _basic("x:y")),
    "not UTF-8": lambda bff: (_basic(b"bff:" + bff.secret.encode() + b"\xff"),),
    "not ASCII": lambda bff: (_basic(f"bff:{bff.secret}é"),),
    "control characters": lambda bff: (_basic(f"bff\x00:{bff.secret}\r\n"),),
    "no colon": lambda _: (_basic("bff"),),
    "no secret": lambda _: (_basic("bff:"),),
    "no client": lambda bff: (_basic(f":{bff.secret}"),),
    "oversized": lambda bff: (_basic(f"bff:{bff.secret}" + "x" * 4000),),
    "oversized client": lambda bff: (_basic("x" * 1400 + f":{bff.secret}"),),
    "unknown client": lambda bff: (_basic(f"nobody:{bff.secret}"),),
    "wrong secret": lambda _: (_basic("bff:tscs_wrong"),),
    "secret with a character more": lambda bff: (_basic(f"bff:{bff.secret}x"),),
    "secret with a character less": lambda bff: (_basic(f"bff:{bff.secret[:-1]}"),),
    "another client's secret": lambda bff: (_basic(f"other:{bff.secret}"),),
    "other case": lambda bff: (_basic(f"BFF:{bff.secret}"),),
    "public client": lambda _: (_basic("public:"),),
    "public client with a secret": lambda bff: (_basic(f"public:{bff.secret}"),),
    "stored hash of nothing": lambda _: (_basic(b"public:" + bytes(32)),),
    "malformed percent-encoding": lambda bff: (_basic(f"bff%zz:{bff.secret}"),),
    "percent-encoded rubbish": lambda bff: (_basic(f"bff:{bff.secret}%ff%00"),),
}


async def _refused_bytes(channel: grpc.aio.Channel, metadata: Metadata, path: str, request: bytes) -> Any:
    """The whole refusal as it stands on the wire."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary(path)(request, metadata=metadata)
    error = refused.value
    return error.code(), error.details(), tuple(error.trailing_metadata() or ())


_ISSUE = ("/tokensvc.v1.TokenService/Issue", pb.IssueRequest(subject="ada").SerializeToString())
_WRONG = (("authorization", "Basic d3Jvbmc6d3Jvbmc="),)


@pytest.mark.parametrize("kind", STRANGERS)
async def test_whoever_is_not_recognised_is_refused_alike(service: Service, bff: Caller, kind: str) -> None:
    """Whatever is wrong with the credentials, code, message and details are the same bytes, and nothing is written."""
    await service.caller("other")
    await service.public_client("public")
    before = tables_of(service)
    refused = await _refused_bytes(service.channel, STRANGERS[kind](bff), *_ISSUE)
    assert refused == await _refused_bytes(service.channel, _WRONG, *_ISSUE)
    assert (refused[0], refused[1]) == (grpc.StatusCode.UNAUTHENTICATED, "the caller is not authenticated")
    assert tables_of(service) == before


async def test_a_disabled_caller_is_refused_like_a_stranger(service: Service, bff: Caller) -> None:
    """A caller that was disabled is told nothing more than a stranger is, at once and with its true secret."""
    assert await is_active(bff, (await issue(bff)).access_token)
    await service.clients.set_disabled("bff", disabled=True, caller=OPERATOR)
    refused = await _refused_bytes(service.channel, bff.metadata, *_ISSUE)
    assert refused == await _refused_bytes(service.channel, _WRONG, *_ISSUE)


async def test_the_refusal_names_its_reason(service: Service) -> None:
    """A stranger hears CALLER_UNAUTHENTICATED and no field."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.channel.unary_unary(_ISSUE[0])(_ISSUE[1])
    assert failure_of(refused.value).reason == "CALLER_UNAUTHENTICATED"
    assert failure_of(refused.value).fields == ()


REQUESTS: list[tuple[str, Any]] = [
    ("TokenService/Issue", pb.IssueRequest()),
    ("TokenService/Refresh", pb.RefreshRequest()),
    ("TokenService/Revoke", pb.RevokeRequest()),
    ("TokenService/Introspect", pb.IntrospectRequest()),
    ("TokenService/Introspect", pb.IntrospectRequest(max_staleness={"seconds": -1})),
    ("TokenService/BatchIntrospect", pb.BatchIntrospectRequest(max_staleness={"nanos": 2_000_000_000})),
    ("SessionService/ListSessions", sessions_pb.ListSessionsRequest()),
    ("SessionService/GetSession", sessions_pb.GetSessionRequest()),
]


@pytest.mark.parametrize(("method", "request_message"), REQUESTS, ids=lambda value: str(value).replace("\n", " "))
async def test_a_stranger_learns_nothing_of_its_request(service: Service, method: str, request_message: Any) -> None:
    """Every method refuses the caller first: what is wrong with the request is not for strangers."""
    sent = request_message.SerializeToString()
    refused = await _refused_bytes(service.channel, _WRONG, f"/tokensvc.v1.{method}", sent)
    assert refused == await _refused_bytes(service.channel, _WRONG, *_ISSUE)


@pytest.mark.parametrize("client_id", ["a:b", "https://bff.test/one", "a~b.c_d-e", "x" * 255, ":"])
@pytest.mark.parametrize("encoded", [False, True])
async def test_any_client_id_can_call(service: Service, client_id: str, *, encoded: bool) -> None:
    """A client_id with colons and slashes is recognised as it is, and percent-encoded as RFC 6749 says."""
    caller = await service.caller(client_id)
    pair = f"{client_id}:{caller.secret}"
    if encoded:
        escaped = "".join(f"%{byte:02X}" for byte in client_id.encode())
        pair = f"{escaped}:{caller.secret.replace('_', '%5F')}"
    call = service.channel.unary_unary("/tokensvc.v1.TokenService/Introspect")
    request = pb.IntrospectRequest(token="nonsense").SerializeToString()
    assert await call(request, metadata=(_basic(pair),)) == b""


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
async def test_the_scheme_has_no_case(service: Service, bff: Caller, scheme: str) -> None:
    """The name of the scheme is compared without case (RFC 9110, 11.1)."""
    call = service.channel.unary_unary("/tokensvc.v1.TokenService/Introspect")
    request = pb.IntrospectRequest(token="nonsense").SerializeToString()
    assert await call(request, metadata=(_basic(f"bff:{bff.secret}", scheme),)) == b""


async def test_metadata_beyond_all_bounds_harms_nobody_else(service: Service, bff: Caller) -> None:
    """A call with a header of 100 kB fails, and other callers on the same connection are served."""
    huge = (*bff.metadata, ("x-huge", "x" * 100_000))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.channel.unary_unary(_ISSUE[0])(_ISSUE[1], metadata=huge)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await issue(bff)).access_token
