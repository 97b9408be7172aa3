"""The command line in this process, and a server in another that it can call."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from click.testing import CliRunner, Result

from tests.cli.processes import serving
from tokensvc.cli.main import cli


class Run(Protocol):
    """Runs a command and answers its result, which must have the expected exit code."""

    def __call__(self, *arguments: str | Path, stdin: str | bytes = "", exit_code: int = 0) -> Result: ...


@dataclass(frozen=True)
class LiveServer:
    """A server with the clients `bff` (may do everything for all), `phone` (public) and `api` (may introspect).

    `started` is what it has logged when it could be called.
    """

    started: dict[str, Any]
    data_dir: Path
    secrets: dict[str, str]


def invoke(*arguments: str | Path, stdin: str | bytes = "", exit_code: int = 0) -> Result:
    """Run `tokensvc` in this process."""
    result = CliRunner().invoke(cli, [*map(str, arguments)], input=stdin, prog_name="tokensvc")
    assert result.exit_code == exit_code, (result.exit_code, result.output, result.exception)
    return result


def json_of(result: Result) -> Any:
    """The one JSON document on standard output."""
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting comes from the environment of the tests, and files go to the test's own directory."""
    for name in [name for name in os.environ if name.startswith("TOKENSVC_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run() -> Run:
    """The command line in this process."""
    return invoke


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One server for all tests that only call it."""
    data_dir = tmp_path_factory.mktemp("cli") / "data"
    common = ("--data-dir", data_dir, "--json")
    policy = ("--scope", "read", "--scope", "write", "--audience", "api")
    may = ("--permission", "issue,refresh,introspect,revoke,exchange,admin", "--acts-for", "*")
    trades = ("--exchange-client", "*", "--exchange-audience", "billing-api")
    with serving(data_dir) as (_, said):
        bff = json_of(invoke("client", "create", "bff", *may, *policy, *trades, *common))
        api = json_of(invoke("client", "create", "api", "--permission", "introspect", "--answers-for", "api", *common))
        invoke("client", "create", "phone", "--public", *policy, *common)
        yield LiveServer(said, data_dir, {"bff": bff["client_secret"], "api": api["client_secret"]})


@pytest.fixture
def as_bff(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> LiveServer:
    """Commands that call, call the server as `bff`."""
    call_as(server, "bff", monkeypatch)
    return server


def call_as(server: LiveServer, client_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands that follow call `server` as `client_id`."""
    monkeypatch.setenv("TOKENSVC_ADDRESS", server.started["address"])
    monkeypatch.setenv("TOKENSVC_CLIENT_ID", client_id)
    monkeypatch.setenv("TOKENSVC_CLIENT_SECRET", server.secrets[client_id])
