"""How commands call: where secrets may travel, and what happens when nobody answers."""

import socket

import pytest

from tests.cli.conftest import LiveServer, Run
from tokensvc.cli.addresses import Address, plaintext_address
from tokensvc.cli.failures import CommandError

CREDENTIALS = ("--client-id", "bff", "--client-secret", "tscs_canary")


@pytest.mark.parametrize(
    "address", ["192.0.2.1:50051", "tokens.example.com:50051", "[2001:db8::1]:50051", "0.0.0.0:1", "[::]:1"]
)
def test_a_secret_is_not_sent_beyond_loopback_in_plaintext(run: Run, address: str) -> None:
    """Another machine's address is refused before anything is sent, and the secret is not shown."""
    result = run("token", "introspect", "x", "--address", address, *CREDENTIALS, exit_code=2)
    assert "--insecure" in result.stderr
    assert "canary" not in result.output


@pytest.mark.parametrize("text", ["127.0.0.1:0", "127.8.9.10:1", "localhost:50051", "[::1]:50051"])
def test_loopback_may_be_plaintext(text: str) -> None:
    """All of loopback is permitted, and an address is written as it was read."""
    assert str(plaintext_address(text, "listen", insecure=False)) == text


def test_insecure_permits_plaintext_everywhere() -> None:
    """Who says --insecure knows the network."""
    assert plaintext_address("0.0.0.0:50051", "listen", insecure=True) == Address("0.0.0.0", 50051)


@pytest.mark.parametrize(
    "text", ["", "50051", ":50051", "host", "host:", "host:x", "host:65536", "dns:///host:1", "[]:1"]
)
def test_an_address_has_a_host_and_a_port(text: str) -> None:
    """Anything else is refused, also with --insecure: gRPC would read other forms as other places."""
    with pytest.raises(CommandError, match="HOST:PORT"):
        plaintext_address(text, "address", insecure=True)


def test_the_proxy_of_the_environment_is_not_used(
    run: Run, as_bff: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plaintext for loopback goes there and not through a proxy."""
    for name in ("http_proxy", "grpc_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    run("token", "introspect", "x")


def test_no_server_is_unavailable(run: Run) -> None:
    """Where nobody listens the exit code is 64 and the code UNAVAILABLE."""
    with socket.socket() as reserved:  # bound, never listening: nobody else can take the port
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        result = run("token", "introspect", "x", "--address", address, *CREDENTIALS, exit_code=78)
    assert "UNAVAILABLE" in result.stderr


def test_a_server_that_does_not_answer_ends_at_the_deadline(run: Run) -> None:
    """A call ends after --timeout with DEADLINE_EXCEEDED."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        result = run("token", "introspect", "x", "--address", address, "--timeout", "0.1", *CREDENTIALS, exit_code=68)
    assert "DEADLINE_EXCEEDED" in result.stderr


def test_who_calls_must_be_said(run: Run) -> None:
    """Without a client id nothing is sent."""
    assert "client_id" in run("token", "introspect", "x", exit_code=2).stderr
