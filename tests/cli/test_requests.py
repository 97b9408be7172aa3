"""What the commands send: every option reaches its field."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from tokensvc_pb.v1 import session_service_pb2, session_service_pb2_grpc, token_service_pb2, token_service_pb2_grpc

from tests.cli.conftest import Run


@dataclass
class Recorder:
    """A server that knows no token: it keeps what it is sent and answers with an empty message."""

    requests: list[Message] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0

    def answering(self, answer: Message) -> Any:
        """A method that answers with `answer`."""

        def method(request: Message, context: grpc.ServicerContext) -> Message:
            self.requests.append(request)
            self.metadata = dict(context.invocation_metadata())
            self.seconds = context.time_remaining()
            return answer

        return method

    @property
    def sent(self) -> dict[str, Any]:
        """The one request, without the fields that are not set."""
        (request,) = self.requests
        return json_format.MessageToDict(request, preserving_proto_field_name=True)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """The server that the commands call."""
    recorder = Recorder()
    grpc_of_tokens: Any = token_service_pb2_grpc
    grpc_of_sessions: Any = session_service_pb2_grpc
    tokens, sessions = grpc_of_tokens.TokenServiceServicer(), grpc_of_sessions.SessionServiceServicer()
    for method in ("Issue", "Refresh", "Introspect", "Revoke"):
        setattr(tokens, method, recorder.answering(getattr(token_service_pb2, f"{method}Response")()))
    sessions.ListSessions = recorder.answering(session_service_pb2.ListSessionsResponse())
    server = grpc.server(ThreadPoolExecutor(1))
    token_service_pb2_grpc.add_TokenServiceServicer_to_server(tokens, server)
    session_service_pb2_grpc.add_SessionServiceServicer_to_server(sessions, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("TOKENSVC_ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("TOKENSVC_CLIENT_ID", "bff")
    yield recorder
    server.stop(None).wait()


def test_issue(run: Run, recorder: Recorder) -> None:
    """Every option of issue is sent, and nothing else."""
    run(
        *("token", "issue", "--subject", "ada", "--for-client", "phone", "--scope", "read", "--scope", "write"),
        *("--audience", "api", "--access-only", "--device-id", "d1", "--device-name", "Ada's phone"),
        *("--device-platform", "ios", "--access-ttl", "30s", "--refresh-ttl", "2h", "--claim", "n=3"),
        *("--idempotency-key", "0123456789abcdef", "--ip", "192.0.2.7", "--user-agent", "Shop/3"),
        *("--location", "Lyon, FR", "--credential-version", "7", "--jkt", "k", "--x5t-s256", "c"),
    )
    assert recorder.sent == {
        "confirmation": {"jkt": "k", "x5t_s256": "c"},
        "subject": "ada",
        "client_id": "phone",
        "scopes": ["read", "write"],
        "audiences": ["api"],
        "access_only": True,
        "device": {"id": "d1", "name": "Ada's phone", "platform": "ios"},
        "context": {"ip": "192.0.2.7", "user_agent": "Shop/3", "location": "Lyon, FR"},
        "credential_version": "7",
        "access_ttl": "30s",
        "refresh_ttl": "7200s",
        "claims": {"n": 3.0},
        "idempotency_key": "0123456789abcdef",
    }


def test_refresh(run: Run, recorder: Recorder) -> None:
    """Every option of refresh is sent, and nothing else."""
    run(
        *("token", "refresh", "t", "--for-client", "phone", "--scope", "read", "--audience", "api"),
        *("--device-id", "d1", "--ip", "192.0.2.7", "--user-agent", "Shop/3"),
        *("--location", "Lyon, FR", "--credential-version", "7"),
        *("--dpop-proof", "a.b.c", "--dpop-method", "PUT", "--dpop-uri", "https://bff.test/token"),
    )
    assert recorder.sent == {
        "dpop": {"proof": "a.b.c", "method": "PUT", "uri": "https://bff.test/token"},
        "context": {"ip": "192.0.2.7", "user_agent": "Shop/3", "location": "Lyon, FR"},
        "credential_version": "7",
        "refresh_token": "t",
        "client_id": "phone",
        "scopes": ["read"],
        "audiences": ["api"],
        "device_id": "d1",
    }


def test_introspect(run: Run, recorder: Recorder) -> None:
    """Every option of introspect is sent, and nothing else."""
    run(
        *("token", "introspect", "t", "--audience", "api", "--require-scope", "read", "--require-scope", "write"),
        *("--min-revision", "7", "--max-staleness", "5s"),
        *("--dpop-proof", "a.b.c", "--dpop-uri", "https://api.test/"),
    )
    assert recorder.sent == {
        "dpop": {"proof": "a.b.c", "method": "POST", "uri": "https://api.test/"},
        "token": "t",
        "audience": "api",
        "required_scopes": ["read", "write"],
        "min_revision": "7",
        "max_staleness": "5s",
    }


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (("t",), {"token": "t"}),
        (("--session", "-s"), {"session_id": "-s"}),
        (("--subject", "ada"), {"subject": "ada"}),
        (("--subject", "ada", "--device", "d1"), {"device": {"subject": "ada", "device_id": "d1"}}),
        (("--client", "phone"), {"client_id": "phone"}),
    ],
)
def test_revoke(run: Run, recorder: Recorder, arguments: tuple[str, ...], target: dict[str, Any]) -> None:
    """Each target is sent as itself, with the reason and the cut-off."""
    run("token", "revoke", *arguments, "--reason", "lost", "--issued-before", "2027-01-15T09:00:00.5+01:00")
    assert recorder.sent == {**target, "reason": "lost", "issued_before": "2027-01-15T08:00:00.500Z"}


def test_session_list(run: Run, recorder: Recorder) -> None:
    """Every option of list is sent, and nothing else."""
    run(
        *("session", "list", "--subject", "ada", "--client", "phone", "--device", "d1", "--include-ended"),
        *("--page-size", "7", "--page-token", "p"),
    )
    assert recorder.sent == {
        "subject": "ada",
        "client_id": "phone",
        "device_id": "d1",
        "include_ended": True,
        "page_size": 7,
        "page_token": "p",
    }


def test_the_caller_is_the_one_of_the_settings(run: Run, recorder: Recorder) -> None:
    """--client-id says who calls, --for-client for whom; both parts are form-encoded (RFC 6749, 2.3.1)."""
    run("token", "issue", "--subject", "a", "--client-id", "a:b", "--client-secret", "50%", "--for-client", "phone")
    assert base64.b64decode(recorder.metadata["authorization"].removeprefix("Basic ")) == b"a%3Ab:50%25"
    assert recorder.sent["client_id"] == "phone"


def test_the_deadline_is_the_timeout(run: Run, recorder: Recorder) -> None:
    """A call has 5 seconds, or as many as --timeout gives it."""
    run("token", "introspect", "t")
    assert recorder.seconds < 6
    run("token", "introspect", "t", "--timeout", "300")
    assert 200 < recorder.seconds < 301
