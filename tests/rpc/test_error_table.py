"""The table of errors: every reason has one code and one value in the proto, and none is left over on either side."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from tokensvc_pb.v1 import errors_pb2

from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.rpc.errors import CODES, status_of

PREFIX = "ERROR_REASON_"
CONTRACT = {
    "INVALID_ARGUMENT": {"INVALID_REQUEST", "INVALID_SCOPE", "INVALID_AUDIENCE"},
    "UNAUTHENTICATED": {
        "CALLER_UNAUTHENTICATED",
        "REFRESH_TOKEN_INVALID",
        "REFRESH_TOKEN_EXPIRED",
        "REFRESH_TOKEN_REVOKED",
        "REFRESH_TOKEN_REUSED",
        "BINDING_MISMATCH",
        "CREDENTIAL_CHANGED",
        "SUBJECT_TOKEN_INVALID",
    },
    "PERMISSION_DENIED": {"CALLER_NOT_PERMITTED", "CLIENT_MISMATCH", "CLIENT_DISABLED"},
    "NOT_FOUND": {"CLIENT_NOT_FOUND", "SESSION_NOT_FOUND", "KEY_NOT_FOUND"},
    "ALREADY_EXISTS": {"CLIENT_EXISTS"},
    "RESOURCE_EXHAUSTED": {"RATE_LIMITED", "OVERLOADED"},
    "UNAVAILABLE": {"STORE_UNAVAILABLE"},
    "INTERNAL": {"INTERNAL"},
    "UNIMPLEMENTED": {"NOT_IMPLEMENTED"},
}


def test_every_reason_has_a_code() -> None:
    """No reason is without a place in the table, and the table has no other entry."""
    assert CODES.keys() == set(Reason)


def test_reasons_and_proto_values_are_the_same() -> None:
    """Each reason is a value of ErrorReason, and each value but the unspecified one is a reason."""
    names = {value.name for value in errors_pb2.ErrorReason.DESCRIPTOR.values}
    assert {f"{PREFIX}{reason.value}" for reason in Reason} == names - {f"{PREFIX}UNSPECIFIED"}


def test_a_reason_is_its_name() -> None:
    """What goes over the wire is the name that stands in the code."""
    assert all(reason.name == reason.value for reason in Reason)


@pytest.mark.parametrize("code", CONTRACT)
def test_codes_are_those_of_the_contract(code: str) -> None:
    """Clients rely on the code as much as on the reason."""
    assert {reason.value for reason in Reason if CODES[reason].name == code} == CONTRACT[code]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_can_be_sent(reason: Reason) -> None:
    """Each reason has a status with its own code and message, and details in the standard trailer."""
    code, message, trailer = status_of(RefusedError(reason, "what happened"))
    assert (code, message) == (CODES[reason], "what happened")
    assert code is not grpc.StatusCode.OK
    assert [key for key, _ in trailer] == ["grpc-status-details-bin"]


@pytest.mark.parametrize(("seconds", "told"), [(0.0, None), (0.001, 0.01), (0.5, 0.5), (1.234, 1.24), (90.0, 90.0)])
def test_a_refusal_says_when_to_come_back(seconds: float, told: float | None) -> None:
    """RetryInfo stands there where waiting helps, rounded up: who comes then is not too early."""
    _, _, ((_, details),) = status_of(RefusedError(Reason.RATE_LIMITED, "too often", retry_after=seconds))
    retries = [
        error_details_pb2.RetryInfo.FromString(detail.value)
        for detail in status_pb2.Status.FromString(details).details
        if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR)
    ]
    assert [retry.retry_delay.ToTimedelta().total_seconds() for retry in retries] == ([] if told is None else [told])
