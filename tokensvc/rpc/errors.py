"""Owns how a refusal is put on the wire: one table from reason to status code, and the standard details."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from tokensvc.domain.errors import Reason, RefusedError

DOMAIN: Final = "tokensvc"
DETAILS_KEY: Final = "grpc-status-details-bin"
NONCE_KEY: Final = "dpop-nonce"
_USE_DPOP_NONCE: Final = "use_dpop_nonce"  # RFC 9449, 8

_PAUSES_A_SECOND: Final = 100  # pauses are told in steps: then the same bytes serve many refusals

CODES: Final[Mapping[Reason, grpc.StatusCode]] = {
    Reason.INVALID_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.INVALID_SCOPE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.INVALID_AUDIENCE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.CALLER_UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.REFRESH_TOKEN_INVALID: grpc.StatusCode.UNAUTHENTICATED,
    Reason.REFRESH_TOKEN_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.REFRESH_TOKEN_REVOKED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.REFRESH_TOKEN_REUSED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.BINDING_MISMATCH: grpc.StatusCode.UNAUTHENTICATED,
    Reason.CREDENTIAL_CHANGED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.SUBJECT_TOKEN_INVALID: grpc.StatusCode.UNAUTHENTICATED,
    Reason.CALLER_NOT_PERMITTED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.CLIENT_MISMATCH: grpc.StatusCode.PERMISSION_DENIED,
    Reason.CLIENT_DISABLED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.CLIENT_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.SESSION_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.KEY_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.CLIENT_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Reason.SESSION_LIMIT_REACHED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
    Reason.NOT_IMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
}


def status_of(error: RefusedError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str | bytes], ...]]:
    """Answer the code, the message and the trailing metadata for `error`."""
    pause, nonce = math.ceil(error.retry_after * _PAUSES_A_SECOND), error.wanted_nonce
    details = _details(error.reason, error.message, error.field, pause, _USE_DPOP_NONCE if nonce else "")
    trailers = ((DETAILS_KEY, details), (NONCE_KEY, nonce)) if nonce else ((DETAILS_KEY, details),)
    return CODES[error.reason], error.message, trailers


@lru_cache(maxsize=1024)  # there are few: messages repeat nothing of a request, and most pauses are short
def _details(reason: Reason, message: str, field: str, pause: int, oauth_error: str) -> bytes:
    metadata = {"error": oauth_error} if oauth_error else {}
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason.value, domain=DOMAIN, metadata=metadata)]
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if pause:
        seconds, rest = divmod(pause, _PAUSES_A_SECOND)
        delay = duration_pb2.Duration(seconds=seconds, nanos=rest * 1_000_000_000 // _PAUSES_A_SECOND)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    code: int = CODES[reason].value[0]
    status: bytes = status_pb2.Status(code=code, message=message, details=map(_packed, details)).SerializeToString()
    return status


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
