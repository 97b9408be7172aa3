"""Calls a service by the plain stubs, synchronously."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from tokensvc_pb.v1 import (
    audit_service_pb2_grpc,
    client_service_pb2_grpc,
    key_service_pb2_grpc,
    session_service_pb2_grpc,
    token_service_pb2_grpc,
)
from tokensvc_pb.v1 import token_service_pb2 as pb

_STUBS: Any = (
    token_service_pb2_grpc.TokenServiceStub,
    session_service_pb2_grpc.SessionServiceStub,
    key_service_pb2_grpc.KeyServiceStub,
    client_service_pb2_grpc.ClientServiceStub,
    audit_service_pb2_grpc.AuditServiceStub,
)


@dataclass
class Dialled:
    """The methods of all services, as one caller; each call ends after ten seconds."""

    channel: grpc.Channel
    metadata: tuple[tuple[str, str], ...]

    def __getattr__(self, method: str) -> Any:
        for stub in _STUBS:
            rpc = getattr(stub(self.channel), method, None)
            if rpc is not None:
                return lambda request: rpc(request, metadata=self.metadata, timeout=10)
        raise AttributeError(method)

    def refresh(self, token: str) -> pb.RefreshResponse:
        """Refresh `token`."""
        answer: pb.RefreshResponse = self.Refresh(pb.RefreshRequest(refresh_token=token))
        return answer

    def is_active(self, token: str) -> bool:
        """Whether `token` is."""
        return bool(self.Introspect(pb.IntrospectRequest(token=token)).active)


@contextmanager
def dialled(target: str, client_id: str = "bff", secret: str = "secret", authorization: str = "") -> Iterator[Dialled]:
    """A caller with these credentials."""
    pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    with grpc.insecure_channel(target) as channel:
        yield Dialled(channel, (("authorization", authorization or f"Basic {pair}"),))


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str, float]:
    """The code, reason and retry delay in seconds of a call that must fail; no reason where gRPC itself refuses it."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    status = status_pb2.Status.FromString(dict(error.trailing_metadata()).get("grpc-status-details-bin", b""))
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(retry)
    return error.code(), info.reason, retry.retry_delay.ToMilliseconds() / 1000
