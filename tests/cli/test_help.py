"""The help of every command: complete, quick, and its examples work when they are pasted."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.cli.conftest import LiveServer, Run, json_of
from tests.cli.processes import LIMIT, plain_environment, serving, started
from tokensvc.cli.main import cli

BIN = Path(sys.executable).parent


def commands(group: click.Group = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that is not a group, with its path."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}".strip())
        else:
            yield f"{path} {name}".strip(), command


COMMANDS = dict(commands())


def examples_of(command: click.Command) -> list[str]:
    """The examples in the help of `command`, each a whole shell command."""
    text = (command.epilog or "").replace("\\\n", "")
    return [line.strip() for line in text.splitlines() if line.startswith("  ")]


def test_there_are_the_commands_that_there_should_be() -> None:
    """Nothing is missing, and nothing is hidden."""
    assert set(COMMANDS) == {
        *("serve", "demo", "db upgrade", "db prune", "session list", "session show"),
        *("session flag", "session unflag"),
        *("key list", "key rotate", "key revoke", "key rewrap"),
        *("client create", "client update", "client list", "client show", "client disable", "client enable"),
        *("client delete", "client rotate-secret"),
        *("audit list", "audit tail", "audit verify"),
        *("token issue", "token refresh", "token introspect", "token revoke", "token exchange"),
        "token decode",
    }


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_explains_itself(run: Run, path: str) -> None:
    """The help says what the command does and what each option is, and shows its examples in full."""
    command = COMMANDS[path]
    text = run(*path.split(), "--help").stdout
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert examples_of(command)
    assert (command.epilog or "").removeprefix("\b\n").splitlines() == [
        line.removeprefix("  ") for line in text[text.index("  Examples:") :].splitlines()
    ]


@pytest.fixture
def prepared(run: Run, as_bff: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens that the examples speak of, and a key that nothing depends on."""
    pair = json_of(run("token", "issue", "--subject", "ada", "--json"))
    monkeypatch.setenv("ACTOR_TOKEN", json_of(run("token", "issue", "--subject", "bot", "--json"))["access_token"])
    for name in ("access_token", "refresh_token", "session_id"):
        monkeypatch.setenv(name.upper(), pair[name])
    monkeypatch.setenv("KEY_ID", json_of(run("key", "rotate", "signing", "--json"))["key_id"])


PASTED = [
    (path, example)
    for path, command in COMMANDS.items()
    if path not in {"serve", "demo"}  # these are shown by other tests
    for example in examples_of(command)
    if "bff." not in example  # and so are those that hand a secret on,
    and "heads." not in example  # or one command's output to the next,
    and example != "tokensvc audit tail"  # and the one that has no end
]


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(("path", "example"), PASTED)
def test_an_example_works_when_it_is_pasted(run: Run, path: str, example: str) -> None:
    """The example runs as it stands, with the variables that it names."""
    said, _, piped = os.path.expandvars(example).rpartition(" | ")
    program, *arguments = shlex.split(piped)
    assert program == "tokensvc"
    assert " ".join(arguments).startswith(path)
    if path.startswith("client ") and path not in {"client create", "client list"}:
        run("client", "create", arguments[2])
    run(*arguments, stdin=said.removeprefix("echo ").strip('"'))


def test_the_examples_lead_from_a_client_to_a_refresh(tmp_path: Path) -> None:
    """Pasted into a shell one after the other: a client is registered, and tokens are issued and refreshed."""
    token = cli.commands["token"]
    script = "\n".join([*examples_of(COMMANDS["client create"])[:2], *examples_of(token)])
    with serving(tmp_path / "tokensvc-data") as (_, said):
        ended = subprocess.run(
            ["/bin/sh", "-e", "-c", script],
            cwd=tmp_path,
            env=plain_environment(address=said["address"]) | {"PATH": f"{BIN}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1].startswith("revision:")


@pytest.mark.parametrize("example", examples_of(COMMANDS["serve"]))
def test_a_pasted_serve_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str) -> None:
    """The server starts in the working directory and ends with exit code 0."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(BIN))
    with started("/bin/sh", "-c", f"exec {example}", listen="127.0.0.1:0") as process:
        assert "serving" in process.line()
        assert process.end() == 0


def test_help_loads_no_database_library() -> None:
    """The help comes quickly: what opens databases and serves is not loaded for it."""
    program = "import sys, tokensvc.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "click" in loaded
    assert not {"sqlalchemy", "alembic", "cryptography", "jwt", "uvloop", "tokensvc.app"} & set(loaded)
