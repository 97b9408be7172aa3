"""People with grpcurl: they need neither protos nor stubs."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.system.processes import create_client, serving

SERVICE = "tokensvc.v1.TokenService/"


@dataclass(frozen=True)
class Grpcurl:
    """grpcurl with a caller's credentials."""

    program: str
    address: str
    authorization: str

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run it against the server."""
        header = f"authorization: {self.authorization}"
        command = [self.program, "-plaintext", "-H", header, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    def call(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        """Call a method that must succeed."""
        done = self.run("-d", json.dumps(request), self.address, SERVICE + method)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def grpcurl_program() -> str:
    """Where grpcurl is. Where TOKENSVC_TEST_REQUIRE names it, its absence is a failure."""
    program = shutil.which("grpcurl")
    if program is None:
        assert "grpcurl" not in os.environ.get("TOKENSVC_TEST_REQUIRE", ""), "grpcurl is required here"
        pytest.skip("grpcurl is not installed: it is built where Go is, by .ci/run")
    return program


@pytest.fixture(scope="module")
def grpcurl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grpcurl]:
    """The program grpcurl beside a running server."""
    program = grpcurl_program()
    data_dir = tmp_path_factory.mktemp("grpcurl")
    secret = create_client(data_dir, "bff", "--permission", "issue,refresh,introspect,revoke", "--scope", "read")
    with serving(data_dir) as server:
        pair = base64.b64encode(f"bff:{secret}".encode()).decode()
        yield Grpcurl(program, server.address, f"Basic {pair}")


def test_it_lists_the_services_through_reflection(grpcurl: Grpcurl) -> None:
    """`grpcurl list` shows every service of the contract, health and both reflections."""
    listed = grpcurl.run(grpcurl.address, "list").stdout.split()
    assert listed == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "tokensvc.v1.AuditService",
        "tokensvc.v1.ClientService",
        "tokensvc.v1.KeyService",
        "tokensvc.v1.SessionService",
        "tokensvc.v1.TokenService",
    ]


def test_it_calls_issue_introspect_refresh_and_revoke(grpcurl: Grpcurl) -> None:
    """The four RPCs work with nothing but a header and JSON."""
    issued = grpcurl.call("Issue", {"subject": "ada"})
    assert grpcurl.call("Introspect", {"token": issued["access_token"]})["active"]
    refreshed = grpcurl.call("Refresh", {"refresh_token": issued["refresh_token"]})
    assert refreshed["refresh_token"] != issued["refresh_token"]
    assert int(grpcurl.call("Revoke", {"token": refreshed["refresh_token"], "reason": "logout"})["revision"]) > 0
    assert "active" not in grpcurl.call("Introspect", {"token": refreshed["access_token"]})


def test_it_prints_the_reason_of_an_error(grpcurl: Grpcurl) -> None:
    """A refused RPC shows its code, its message and its machine-readable reason."""
    failed = grpcurl.run("-d", '{"refresh_token": "tsr1_forged"}', grpcurl.address, SERVICE + "Refresh")
    assert failed.returncode == 64 + 16
    assert "Code: Unauthenticated" in failed.stderr
    assert '"reason": "REFRESH_TOKEN_INVALID"' in failed.stderr


def test_it_checks_the_health(grpcurl: Grpcurl) -> None:
    """The standard health service answers without credentials."""
    done = grpcurl.run(grpcurl.address, "grpc.health.v1.Health/Check")
    assert json.loads(done.stdout)["status"] == "SERVING"
