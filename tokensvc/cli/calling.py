"""Owns calling a server: the caller's credentials, the deadline, and reading a failure."""

import base64
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from tokensvc_pb.v1.audit_service_pb2_grpc import AuditServiceStub
from tokensvc_pb.v1.key_service_pb2_grpc import KeyServiceStub
from tokensvc_pb.v1.session_service_pb2_grpc import SessionServiceStub
from tokensvc_pb.v1.token_service_pb2_grpc import TokenServiceStub

from tokensvc.cli.channel import open_channel
from tokensvc.cli.failures import USAGE, CommandError, exit_code_of
from tokensvc.config import Settings
from tokensvc.rpc.errors import DETAILS_KEY

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)


class Connection:
    """A channel to the server that the settings name, and who calls. A context manager, which closes it."""

    def __init__(self, settings: Settings) -> None:
        self._metadata = _metadata(settings)
        self._timeout = settings.timeout
        self._channel = open_channel(settings)
        self.tokens = TokenServiceStub(self._channel)
        self.sessions = SessionServiceStub(self._channel)
        self.audit = AuditServiceStub(self._channel)
        self.keys = KeyServiceStub(self._channel)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def call(self, rpc: "grpc.UnaryUnaryMultiCallable[Request, Answer]", request: Request) -> Answer:
        """Answer what the server answers; fails with the reason that it gives."""
        try:
            return rpc(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            failed = _failure(error)
        raise failed

    def stream(self, rpc: "grpc.UnaryStreamMultiCallable[Request, Answer]", request: Request) -> Iterator[Answer]:
        """Answer what the server sends, until it ends; fails with the reason that it gives. It has no time limit."""
        try:
            yield from rpc(request, metadata=self._metadata)
        except grpc.RpcError as error:
            failed = _failure(error)
        else:
            return
        raise failed


def _metadata(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Who calls is said by a client id with its secret, or else by the certificate that is shown."""
    if settings.client_id:
        return (("authorization", _basic(settings.client_id, settings.client_secret.get_secret_value())),)
    if settings.tls_cert_file is None:
        message = "client_id: who calls is not said; give --client-id or TOKENSVC_CLIENT_ID, or a certificate"
        raise CommandError(message, exit_code=USAGE)
    return ()


def _basic(client_id: str, secret: str) -> str:
    """RFC 6749, 2.3.1: both are form-encoded."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _failure(error: Any) -> CommandError:
    """Read the status of a failed call with its standard details."""
    code: grpc.StatusCode = error.code()
    info, violations = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in _details(dict(error.trailing_metadata() or ()).get(DETAILS_KEY, b"")):
        detail.Unpack(info)
        detail.Unpack(violations)
    return CommandError(
        error.details() or code.name,
        exit_code=exit_code_of(code.value[0]),
        code=code.name,
        reason=info.reason,
        field=" ".join(violation.field for violation in violations.field_violations),
    )


def _details(status: bytes) -> Any:
    try:
        return status_pb2.Status.FromString(status).details
    except DecodeError:
        return ()
