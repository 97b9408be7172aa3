"""`tokensvc serve` as a process: how it starts, what it says, what it refuses, and how it ends."""

import base64
import json
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tokensvc_pb.v1 import token_service_pb2 as pb
from tokensvc_pb.v1.token_service_pb2_grpc import TokenServiceStub

from tests.cli.conftest import LiveServer, Run, json_of
from tests.cli.processes import TOKENSVC, run_to_end, serving, started

CONSOLE_LINE = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z \[\w+ *\] ")


def test_the_start_says_where_and_how_safely(server: LiveServer) -> None:
    """The event "serving" names the bound address, the issuer, the database and that commits are synced."""
    said = server.started
    assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", said["address"])
    assert said["issuer"] == "https://tokensvc.local"
    assert said["database"] == str(server.data_dir / "tokensvc.db")
    assert (said["journal_mode"], said["synchronous"]) == ("wal", "full")


WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


@pytest.fixture(params=[signal.SIG_DFL, signal.SIG_IGN], ids=["usual", "nohup"])
def hang_up(request: pytest.FixtureRequest) -> Iterator[Any]:
    """What a process that is started now does when its terminal is closed."""
    before = signal.signal(signal.SIGHUP, request.param)
    yield request.param
    signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_ends_a_single_server_in_good_order(tmp_path: Path, hang_up: Any) -> None:
    """Several workers are replaced by that signal, one has nobody to replace it; unless it was to outlive that."""
    with serving(tmp_path / "d") as (process, _):
        if hang_up is signal.SIG_IGN:
            process.popen.send_signal(signal.SIGHUP)
        assert process.end(signal.SIGHUP if hang_up is signal.SIG_DFL else signal.SIGTERM) == 0
    (stopping,) = [json.loads(line) for line in process.lines if '"stopping"' in line]
    assert stopping["reason"] == ("SIGHUP" if hang_up is signal.SIG_DFL else "SIGTERM")


@WORKERS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_exit_code_0(tmp_path: Path, number: signal.Signals, workers: str) -> None:
    """The server ends by itself, and says so when everything is closed."""
    with serving(tmp_path / "d", workers=workers) as (process, _):
        assert process.end(number) == 0
    assert any('"stopped"' in line for line in process.lines)


@contextmanager
def write_lock(database: Path) -> Iterator[None]:
    """Keep every other writer of the database waiting."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@WORKERS
def test_sigterm_lets_rpcs_under_way_finish(tmp_path: Path, run: Run, workers: str) -> None:
    """An Issue that waits for the database when SIGTERM arrives is answered; health says NOT_SERVING meanwhile."""
    data_dir = tmp_path / "d"
    with serving(data_dir, workers=workers) as (process, said):
        created = json_of(run("client", "create", "bff", "--permission", "issue", "--data-dir", data_dir, "--json"))
        metadata = basic("bff", created["client_secret"])
        with grpc.insecure_channel(said["address"]) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            health.Check(health_pb2.HealthCheckRequest(), timeout=10)  # the channel is connected: RPCs go in order
            with write_lock(data_dir / "tokensvc.db"):
                issue = TokenServiceStub(channel).Issue.future(
                    pb.IssueRequest(subject="ada"), metadata=metadata, timeout=10
                )
                watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=10)
                assert next(watch).status == health_pb2.HealthCheckResponse.SERVING  # so Issue has arrived as well
                process.popen.send_signal(signal.SIGTERM)
                assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
                assert not issue.done()
            assert issue.result().refresh_token
            watch.cancel()
        assert process.end() == 0


def basic(client_id: str, secret: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a caller."""
    return (("authorization", f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"),)


def test_plaintext_beyond_loopback_is_refused(run: Run, tmp_path: Path) -> None:
    """Without --insecure an address of the network is exit code 2, and nothing has been made."""
    result = run("serve", "--data-dir", tmp_path / "d", "--listen", "192.0.2.1:0", exit_code=2)
    assert "not a loopback address" in result.stderr
    assert "--insecure" in result.stderr
    assert not (tmp_path / "d").exists()


@WORKERS
def test_a_taken_port_is_said_clearly(tmp_path: Path, workers: str) -> None:
    """A port that another process listens on is one line on standard error, and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run_to_end(*TOKENSVC, "serve", "--data-dir", tmp_path / "d", "--listen", address, workers=workers)
    assert ended.returncode == 1
    assert ended.stderr == f"error: cannot listen on {address}: Address already in use\n"


@WORKERS
def test_a_root_key_that_others_can_read_is_refused(tmp_path: Path, workers: str) -> None:
    """The message says what to do, and shows nothing of the key."""
    key = tmp_path / "root.key"
    key.write_text("c2VjcmV0LWNhbmFyeQ==")
    key.chmod(0o644)
    command = (*TOKENSVC, "serve", "--data-dir", tmp_path / "d", "--listen", "127.0.0.1:0", "--root-key-file", key)
    ended = run_to_end(*command, workers=workers)
    assert ended.returncode == 1
    assert ended.stderr == f"error: others can read the root key; run: chmod 600 {key}\n"


def test_workers_do_not_import_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies where the server is started does not become a part of it."""
    (tmp_path / "pickle.py").write_text("raise SystemExit('not from here')")
    monkeypatch.chdir(tmp_path)
    fixed = ("--data-dir", tmp_path / "d", "--listen", "127.0.0.1:0", "--log-format", "json")
    with started(Path(sys.executable).parent / "tokensvc", "serve", *fixed, workers="2") as process:
        assert process.wait_for("serving")["workers"] == 2
        assert process.end() == 0


def test_a_value_cannot_forge_a_log_line(tmp_path: Path) -> None:
    """A line break in a setting ends no log line, and an escape sequence does not reach the terminal."""
    data_dir = tmp_path / "d\r\n2026-01-01T00:00:00Z [info     ] forged\x1b[2J"
    with started(*TOKENSVC, "serve", "--data-dir", data_dir, "--listen", "127.0.0.1:0") as process:
        first = process.line()
        assert process.end() == 0
    assert "serving" in first
    assert all(CONSOLE_LINE.match(line) for line in process.lines)
    assert [line for line in process.lines if "forged" in line] == [first]
    assert "\x1b" not in "".join(process.lines)


def test_an_issuer_is_text_without_spaces(tmp_path: Path) -> None:
    """An issuer that no token could carry is refused at the start."""
    ended = run_to_end(*TOKENSVC, "serve", "--data-dir", tmp_path / "d", "--issuer", "https://x y")
    assert ended.returncode == 2
    assert "issuer" in ended.stderr
