"""Owns how a refusal looks on the wire: its status code, and the standard details beside it."""

from collections.abc import Iterator, Mapping
from typing import Final, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

DOMAIN: Final = "tokensvc"
DETAILS_KEY: Final = "grpc-status-details-bin"

_REASONS: Final[Mapping[grpc.StatusCode, str]] = {
    grpc.StatusCode.INVALID_ARGUMENT: "INVALID_REQUEST INVALID_SCOPE INVALID_AUDIENCE",
    grpc.StatusCode.UNAUTHENTICATED: (
        "CALLER_UNAUTHENTICATED REFRESH_TOKEN_INVALID REFRESH_TOKEN_EXPIRED REFRESH_TOKEN_REVOKED REFRESH_TOKEN_REUSED "
        "BINDING_MISMATCH CREDENTIAL_CHANGED SUBJECT_TOKEN_INVALID"
    ),
    grpc.StatusCode.PERMISSION_DENIED: "CALLER_NOT_PERMITTED CLIENT_MISMATCH CLIENT_DISABLED",
    grpc.StatusCode.NOT_FOUND: "CLIENT_NOT_FOUND SESSION_NOT_FOUND KEY_NOT_FOUND",
    grpc.StatusCode.ALREADY_EXISTS: "CLIENT_EXISTS",
    grpc.StatusCode.FAILED_PRECONDITION: "SESSION_LIMIT_REACHED",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "RATE_LIMITED OVERLOADED",
    grpc.StatusCode.UNAVAILABLE: "STORE_UNAVAILABLE",
    grpc.StatusCode.INTERNAL: "INTERNAL",
    grpc.StatusCode.UNIMPLEMENTED: "NOT_IMPLEMENTED",
}
CODES: Final[Mapping[str, grpc.StatusCode]] = {
    reason: code for code, reasons in _REASONS.items() for reason in reasons.split()
}
"""The status code of each reason; both are the contract's (errors.proto)."""


class Refusal(Exception):  # noqa: N818 - what a call is answered with; nothing went wrong here
    """A call that is answered with an error: its `reason`, and the `field` at fault where one is."""

    def __init__(self, reason: str, message: str, field: str = "", *, retry_after: float = 0.0) -> None:
        """`retry_after` is in seconds; zero where waiting alone does not help."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.retry_after = retry_after

    def abort(self, context: grpc.ServicerContext) -> NoReturn:
        """End the call with this refusal."""
        code = CODES[self.reason]
        number: int = code.value[0]
        status = status_pb2.Status(code=number, message=self.message, details=map(_packed, self._details()))
        context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
        context.abort(code, self.message)

    def _details(self) -> Iterator[Message]:
        yield error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN)
        if self.field:
            violation = error_details_pb2.BadRequest.FieldViolation(field=self.field, description=self.message)
            yield error_details_pb2.BadRequest(field_violations=[violation])
        if self.retry_after:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(round(self.retry_after * 1000))
            yield error_details_pb2.RetryInfo(retry_delay=delay)


def invalid(field: str, message: str) -> Refusal:
    """The refusal of a malformed `field`."""
    return Refusal("INVALID_REQUEST", message, field)


def required(request: Message, field: str, name: str = "") -> str:
    """The text in `field`; refuses an empty one, by its `name` in the whole request where that is longer."""
    value: str = getattr(request, field)
    if not value:
        raise invalid(name or field, f"{name or field} is required")
    return value


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
