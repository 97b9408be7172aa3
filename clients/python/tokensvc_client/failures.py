"""Owns reading a failed gRPC call: which exception it is, and the standard details that it carries."""

from datetime import timedelta
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from tokensvc_client.errors import OF_CODE, OF_REASON, TokenServiceError

_DETAILS_KEY: Final = "grpc-status-details-bin"
_NONCE_KEY: Final = "dpop-nonce"
_DOMAIN: Final = "tokensvc"


def failure_of(error: grpc.RpcError) -> TokenServiceError:
    """The exception for what a call of gRPC failed with."""
    failed: Any = error  # what gRPC raises is also the call, which RpcError does not say
    code: grpc.StatusCode = failed.code()
    trailers = dict(failed.trailing_metadata() or ())
    info, violations = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    try:
        for detail in status_pb2.Status.FromString(trailers.get(_DETAILS_KEY, b"")).details:
            detail.Unpack(info)
            detail.Unpack(violations)
            detail.Unpack(retry)
        pause: timedelta = retry.retry_delay.ToTimedelta()
    except (DecodeError, ValueError, OverflowError):  # of something in between that is not ours
        pause = timedelta(0)
    reason: str = info.reason if info.domain == _DOMAIN else ""
    kind = OF_REASON.get(reason) or OF_CODE.get(code, TokenServiceError)
    return kind(
        failed.details() or code.name,
        code=code,
        reason=reason,
        fields=tuple(violation.field for violation in violations.field_violations),
        retry_after=pause if pause > timedelta(0) else None,
        metadata=dict(info.metadata),
        dpop_nonce=trailers.get(_NONCE_KEY, ""),
    )
