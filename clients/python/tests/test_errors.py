"""What calls fail with."""

import re
from datetime import timedelta

import grpc
import pytest
import tokensvc_client
from flavours import Flavour
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from scripted import Refusal, Scripted
from tokensvc_client import (
    BindingMismatchError,
    DeadlineExceededError,
    InternalError,
    OverloadedError,
    RefreshTokenError,
    Retries,
    TokenServiceError,
    UnavailableError,
    errors,
)
from tokensvc_pb.v1.errors_pb2 import ErrorReason

ONCE = Retries(attempts=1)


def _tree() -> dict[str, str]:
    """The classes of the drawing, each with the class above it."""
    above: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"((?:[│├└─ ] ?)*)(\w+Error)\b", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        path[depth:] = [match[2]]
        above[match[2]] = path[depth - 1] if depth else "Exception"
    return above


def test_the_drawing_is_the_tree() -> None:
    """Every class stands in the docstring, below the class that it is made from, and is offered by the package."""
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert _tree() == {kind.__name__: kind.__bases__[0].__name__ for kind in classes}
    assert {kind.__name__ for kind in classes} <= set(tokensvc_client.__all__)


def test_every_reason_has_an_exception() -> None:
    """The contract has no reason that this library does not know, and the other way round."""
    reasons = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118
    assert errors.OF_REASON.keys() == reasons


@pytest.mark.parametrize("reason", errors.OF_REASON)
def test_a_reason_becomes_its_exception(flavour: Flavour, script: Scripted, reason: str) -> None:
    """What a call is refused with can be caught by its class, and says the reason and the code."""
    script.script = lambda asked: Refusal(grpc.StatusCode.FAILED_PRECONDITION, reason, "subject")
    with pytest.raises(errors.OF_REASON[reason]) as caught:
        flavour.client(script.address, retries=ONCE).issue(subject="ada")
    error = caught.value
    assert (error.reason, error.code, error.field) == (reason, grpc.StatusCode.FAILED_PRECONDITION, "subject")
    assert str(error) == f"refused ({reason} subject)"


def test_retry_after_is_read(flavour: Flavour, script: Scripted) -> None:
    """The pause that the service names."""
    script.script = lambda asked: Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_after=0.25)
    with pytest.raises(OverloadedError) as caught:
        flavour.client(script.address).issue(subject="ada")
    assert caught.value.retry_after == timedelta(seconds=0.25)
    assert caught.value.is_retryable


def test_a_wanted_nonce_is_read(flavour: Flavour, script: Scripted) -> None:
    """With it the next proof may succeed."""
    script.script = lambda asked: Refusal(
        grpc.StatusCode.UNAUTHENTICATED,
        "BINDING_MISMATCH",
        metadata={"error": "use_dpop_nonce"},
        trailers=(("dpop-nonce", "n-1"),),
    )
    with pytest.raises(BindingMismatchError) as caught:
        flavour.client(script.address).refresh("token")
    assert (caught.value.dpop_nonce, caught.value.metadata) == ("n-1", {"error": "use_dpop_nonce"})
    assert isinstance(caught.value, RefreshTokenError)


def test_a_reason_that_is_newer_is_known_by_its_code(flavour: Flavour, script: Scripted) -> None:
    """It is told as it came."""
    script.script = lambda asked: Refusal(grpc.StatusCode.INTERNAL, "SOMETHING_NEW")
    with pytest.raises(InternalError) as caught:
        flavour.client(script.address).issue(subject="ada")
    assert caught.value.reason == "SOMETHING_NEW"


@pytest.mark.parametrize(("code", "kind"), errors.OF_CODE.items())
def test_what_has_no_reason_is_known_by_its_code(
    flavour: Flavour, script: Scripted, code: grpc.StatusCode, kind: type[TokenServiceError]
) -> None:
    """What gRPC itself refuses, or something in between."""
    script.script = lambda asked: Refusal(code)
    with pytest.raises(TokenServiceError) as caught:
        flavour.client(script.address, retries=ONCE).issue(subject="ada")
    assert (type(caught.value), caught.value.reason) == (kind, "")


AGES = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=10**15))


@pytest.mark.parametrize("retry_info", [b"nonsense", AGES.SerializeToString()], ids=["nonsense", "a pause of ages"])
def test_details_that_make_no_sense_are_passed_over(flavour: Flavour, script: Scripted, retry_info: bytes) -> None:
    """Something between this program and the service may say anything: the failure is still told by its code."""
    detail = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=retry_info)
    trailer = ("grpc-status-details-bin", status_pb2.Status(details=[detail]).SerializeToString())
    script.script = lambda asked: Refusal(grpc.StatusCode.UNAVAILABLE, trailers=(trailer,))
    with pytest.raises(UnavailableError) as caught:
        flavour.client(script.address, retries=ONCE).issue(subject="ada")
    assert caught.value.retry_after is None


def test_nobody_there_is_unavailable(flavour: Flavour) -> None:
    """No server listens."""
    with pytest.raises(UnavailableError) as caught:
        flavour.client("127.0.0.1:1", retries=ONCE).get_jwks()
    assert not isinstance(caught.value, DeadlineExceededError)
