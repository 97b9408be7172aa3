"""Owns what the methods of a gRPC server demand, what a call of one presents, and how it is refused."""

import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tokensvc_client.guards.presented import Request
from tokensvc_client.guards.refusal import RETRY_AFTER, Cause, Refusal

Metadata = Sequence[tuple[str, str | bytes]]
Behaviour = Callable[[Any, Any], Any]
Around = Callable[[Behaviour], Behaviour]

HEALTH_AND_REFLECTION: Final = frozenset(
    {
        *(f"/grpc.health.v1.Health/{method}" for method in ("Check", "List", "Watch")),
        *(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in ("v1", "v1alpha")),
    }
)
"""The methods that need no token unless it is said otherwise."""

DOMAIN: Final = "tokensvc-client"
"""Whose reasons those in ErrorInfo are."""

_CODES: Final = {
    Cause.NO_TOKEN: grpc.StatusCode.UNAUTHENTICATED,
    Cause.INVALID_REQUEST: grpc.StatusCode.UNAUTHENTICATED,
    Cause.INVALID_TOKEN: grpc.StatusCode.UNAUTHENTICATED,
    Cause.INVALID_DPOP_PROOF: grpc.StatusCode.UNAUTHENTICATED,
    Cause.INSUFFICIENT_SCOPE: grpc.StatusCode.PERMISSION_DENIED,
    Cause.UNVERIFIABLE: grpc.StatusCode.UNAVAILABLE,
}
_KINDS: Final = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


@dataclass(frozen=True)
class Demands:
    """Who may call what. `scopes` are those for every method that `methods` does not name with its own."""

    audience: str
    scopes: Collection[str]
    methods: Mapping[str, Collection[str]]
    open_methods: Collection[str]
    origin: str

    def scopes_of(self, method: str) -> Collection[str]:
        """What a token needs for `method`."""
        return self.methods.get(method, self.scopes)

    def request(self, call: grpc.HandlerCallDetails, context: Any) -> Request:
        """What of a call counts. Proofs are for the POST that carries it (RFC 9449, 4.2)."""
        metadata: Metadata = call.invocation_metadata or ()
        return Request(
            authorization=_values(metadata, "authorization"),
            dpop=_values(metadata, "dpop"),
            method="POST",
            uri=f"{self.origin}{call.method}" if self.origin else "",
            certificate=_certificate(context),
        )


@dataclass(frozen=True)
class Answer:
    """How a refusal is said: `context.abort` takes these."""

    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, bytes], ...]


def answer_to(refusal: Refusal) -> Answer:
    """The status with a google.rpc.ErrorInfo: its reason is the cause, its metadata what OAuth would say."""
    code = _CODES[refusal.cause]
    said = {"error": refusal.cause.value, "scope": " ".join(refusal.scopes)}
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=refusal.description)
    details = [
        error_details_pb2.ErrorInfo(
            reason=refusal.cause.name, domain=DOMAIN, metadata={name: value for name, value in said.items() if value}
        )
    ]
    if refusal.cause is Cause.UNVERIFIABLE:
        details.append(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=RETRY_AFTER)))
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return Answer(code, refusal.description, (("grpc-status-details-bin", status.SerializeToString()),))


def guarded(
    handler: "grpc.RpcMethodHandler[Any, Any]",
    unary: Around,
    stream: Around,
) -> "grpc.RpcMethodHandler[Any, Any]":
    """The same handler around whose behaviour `unary` is put, or `stream` where it answers many times."""
    name, make = _KINDS[handler.request_streaming, handler.response_streaming]
    around = stream if handler.response_streaming else unary
    made: Any = make  # of four types that differ in what the behaviour takes and answers
    wrapped: grpc.RpcMethodHandler[Any, Any] = made(
        around(getattr(handler, name)), handler.request_deserializer, handler.response_serializer
    )
    return wrapped


def _values(metadata: Metadata, name: str) -> list[str]:
    return [value for key, value in metadata if key == name and isinstance(value, str)]


def _certificate(context: Any) -> bytes | None:
    pem = context.auth_context().get("x509_pem_cert")
    return ssl.PEM_cert_to_DER_cert(pem[0].decode("ascii")) if pem else None
