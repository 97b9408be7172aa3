"""A server behind TLS as an operator runs it, and the commands that call it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.certificates import LONG_AGO, Authority
from tests.cli.conftest import Run, invoke, json_of
from tests.cli.processes import TOKENSVC, run_to_end, serving, started
from tests.cli.test_serve import WORKERS

AUTHORITY = Authority()


@dataclass(frozen=True)
class Files:
    """What an operator has: a server's certificate, a client's, and their authority's, each in a file."""

    directory: Path

    def __post_init__(self) -> None:
        AUTHORITY.server().write(self.directory, "server")
        AUTHORITY.client().write(self.directory, "client")
        self.ca.write_bytes(AUTHORITY.certificate)

    @property
    def ca(self) -> Path:
        """The authority."""
        return self.directory / "ca.crt"

    def path(self, name: str) -> Path:
        """One of the files."""
        return self.directory / name

    @property
    def serve(self) -> tuple[str, ...]:
        """The flags of a server with a certificate."""
        return ("--tls-cert-file", str(self.path("server.crt")), "--tls-key-file", str(self.path("server.key")))

    @property
    def mutual(self) -> tuple[str, ...]:
        """The flags of a server that wants certificates too."""
        return (*self.serve, "--tls-client-ca-file", str(self.ca))

    @property
    def call(self) -> tuple[str, ...]:
        """The flags of a command that shows a certificate."""
        return ("--tls-cert-file", str(self.path("client.crt")), "--tls-key-file", str(self.path("client.key")))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Files of this test alone."""
    return Files(tmp_path)


@dataclass(frozen=True)
class Mutual:
    """A server that wants certificates, of two workers, with a health port; and the flags of a caller that is known."""

    files: Files
    address: str
    health_address: str
    caller: tuple[str, ...]


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mutual]:
    """One server for the tests that only call it."""
    directory = tmp_path_factory.mktemp("mutual")
    files, data_dir = Files(directory), directory / "data"
    flags = (*files.mutual, "--listen", "0.0.0.0:0", "--health-listen", "0.0.0.0:0", "--workers", "2")
    with serving(data_dir, *flags) as (process, said):
        created = invoke("client", "create", "bff", "--permission", "issue", "--data-dir", data_dir, "--json")
        assert said["tls"] == "mutual"
        ports = [said[name].rpartition(":")[2] for name in ("address", "health_address")]
        addresses = [f"127.0.0.1:{port}" for port in ports]
        caller = ("--address", addresses[0], "--client-id", "bff", "--client-secret", json_of(created)["client_secret"])
        yield Mutual(files, *addresses, caller)
        assert process.end() == 0


ISSUE = ("token", "issue", "--subject", "ada", "--json")


def test_a_command_calls_with_a_certificate(run: Run, mutual: Mutual) -> None:
    """With the server's authority, and its own certificate and key, it is served; on an address of any network."""
    issued = run(*ISSUE, *mutual.caller, "--tls-ca-file", mutual.files.ca, *mutual.files.call)
    assert json_of(issued)["access_token"]


def test_it_takes_them_from_the_environment(run: Run, mutual: Mutual, monkeypatch: pytest.MonkeyPatch) -> None:
    """TOKENSVC_TLS_CA_FILE and so on, as every setting."""
    monkeypatch.setenv("TOKENSVC_TLS_CA_FILE", str(mutual.files.ca))
    monkeypatch.setenv("TOKENSVC_TLS_CERT_FILE", str(mutual.files.path("client.crt")))
    monkeypatch.setenv("TOKENSVC_TLS_KEY_FILE", str(mutual.files.path("client.key")))
    assert json_of(run(*ISSUE, *mutual.caller))["access_token"]


def test_without_a_certificate_nobody_is_served(run: Run, mutual: Mutual) -> None:
    """The command fails as if nobody were there, and says no more than that."""
    result = run(*ISSUE, *mutual.caller, "--tls-ca-file", mutual.files.ca, exit_code=78)
    assert json.loads(result.stderr)["code"] == "UNAVAILABLE"


def test_a_secret_is_not_sent_to_a_server_of_another_authority(run: Run, mutual: Mutual) -> None:
    """With --tls the usual authorities count, and ours is none of them."""
    result = run(*ISSUE, *mutual.caller, "--tls", *mutual.files.call, exit_code=78)
    assert json.loads(result.stderr)["code"] == "UNAVAILABLE"


@pytest.mark.parametrize(("name", "exit_code"), [("localhost", 0), ("elsewhere.test", 78)])
def test_the_name_in_the_certificate_may_be_another_than_the_address(
    run: Run, mutual: Mutual, name: str, exit_code: int
) -> None:
    """--tls-server-name says which name the certificate must have."""
    flags = ("--tls-ca-file", mutual.files.ca, *mutual.files.call, "--tls-server-name", name)
    run(*ISSUE, *mutual.caller, *flags, exit_code=exit_code)


def test_a_certificate_alone_may_say_who_calls(run: Run, mutual: Mutual) -> None:
    """Without a client id no credentials are sent; the server decides, and here it knows nobody by a certificate."""
    address = ("--address", mutual.address, "--tls-ca-file", mutual.files.ca)
    result = run(*ISSUE, *address, *mutual.files.call, exit_code=80)
    assert json.loads(result.stderr)["reason"] == "CALLER_UNAUTHENTICATED"


def test_a_probe_needs_no_certificate(mutual: Mutual) -> None:
    """The health port answers in plaintext."""
    with grpc.insecure_channel(mutual.health_address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_grpc_writes_no_lines_of_its_own(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever knocks without a certificate leaves no line in the log, and the command none but its own."""
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    with serving(tmp_path / "d", *files.mutual) as (process, said):
        command = (*TOKENSVC, *ISSUE, "--address", said["address"], "--client-id", "x", "--tls-ca-file", files.ca)
        failed = run_to_end(*command)
        assert json.loads(failed.stderr)["code"] == "UNAVAILABLE"
        assert process.end() == 0
    assert all(line.startswith("{") for line in process.lines)


def missing(files: Files) -> Path:
    """No certificate."""
    files.path("server.crt").unlink()
    return files.path("server.crt")


def another_key(files: Files) -> Path:
    """The key of another certificate."""
    return files.path("client.key").replace(files.path("server.key"))


def no_authority(files: Files) -> Path:
    """An empty file of authorities."""
    files.ca.write_bytes(b"")
    return files.ca


@WORKERS
@pytest.mark.parametrize("spoil", [missing, another_key, no_authority])
def test_wrong_files_end_the_start(files: Files, tmp_path: Path, spoil: Callable[[Files], Path], workers: str) -> None:
    """One line that names the file, exit code 2, and nothing has been made."""
    wrong = spoil(files)
    command = (*TOKENSVC, "serve", "--data-dir", tmp_path / "d", "--listen", "127.0.0.1:0", *files.mutual)
    ended = run_to_end(*command, workers=workers)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert str(wrong) in ended.stderr
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        (("--tls-cert-file", "server.crt"), "tls_key_file: "),
        (("--tls-key-file", "server.key"), "tls_key_file: "),
        (("--tls-client-ca-file", "ca.crt"), "tls_client_ca_file: "),
        (("--health-listen", "50052"), "health_listen: "),
    ],
)
def test_settings_that_need_others_say_so(run: Run, flags: tuple[str, ...], wrong: str) -> None:
    """A certificate goes with its key, and clients' certificates with a server's."""
    assert run("serve", *flags, exit_code=2).stderr.startswith(f"error: {wrong}")


def test_an_expired_certificate_is_said_loudly(tmp_path: Path) -> None:
    """The server starts, and warns."""
    cert_file, key_file = AUTHORITY.server(until=LONG_AGO).write(tmp_path, "expired")
    flags = ("--tls-cert-file", cert_file, "--tls-key-file", key_file, "--log-format", "json")
    with started(*TOKENSVC, "serve", "--data-dir", tmp_path / "d", "--listen", "127.0.0.1:0", *flags) as process:
        warned = process.wait_for("the certificate is not valid at this time: clients will refuse it")
        assert (warned["level"], warned["file"]) == ("warning", str(cert_file))
        assert process.wait_for("serving")["tls"] == "server"
        assert process.end() == 0


@WORKERS
def test_a_taken_health_port_is_said_clearly(tmp_path: Path, workers: str) -> None:
    """The health port cannot be the main one."""
    with serving(tmp_path / "one") as (_, said):
        address = ("--listen", "127.0.0.1:0", "--health-listen", said["address"])
        ended = run_to_end(*TOKENSVC, "serve", "--data-dir", tmp_path / "two", *address, workers=workers)
    assert (ended.returncode, ended.stderr) == (
        1,
        f"error: cannot listen on {said['address']}: Address already in use\n",
    )


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        (("--tls-ca-file", "nowhere.crt"), "tls_ca_file: cannot read nowhere.crt"),
        (("--tls-ca-file", "client.key"), "tls_ca_file: there are no certificates"),
        (("--tls-cert-file", "nowhere.crt", "--tls-key-file", "client.key"), "tls_cert_file: cannot read nowhere.crt"),
        (("--tls-cert-file", "client.crt", "--tls-key-file", "server.key"), "tls_key_file: it is not the private key"),
        (("--tls-cert-file", "client.crt", "--tls-key-file", "client.crt"), "tls_key_file: it is not the private key"),
    ],
)
@pytest.mark.usefixtures("files")
def test_wrong_files_of_a_command_are_named(run: Run, flags: tuple[str, ...], wrong: str) -> None:
    """Nothing is sent, and the setting is named."""
    result = run("token", "introspect", "x", "--client-id", "bff", *flags, exit_code=2)
    assert result.stderr.startswith(f"error: {wrong}")
