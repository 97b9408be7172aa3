"""`tokensvc key`, against a real server."""

import base64
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Run, json_of

pytestmark = pytest.mark.usefixtures("as_bff")


def states(run: Run, purpose: str) -> dict[str, str]:
    """The states of the keys of a purpose, by their names."""
    keys = json_of(run("key", "list", "--json"))["keys"]
    return {key["key_id"]: key["state"] for key in keys if key["purpose"] == purpose}


def active(run: Run, purpose: str) -> str:
    """The name of the key in use."""
    (name,) = [name for name, state in states(run, purpose).items() if state == "ACTIVE"]
    return name


def test_a_key_is_prepared_and_another_used_at_once(run: Run) -> None:
    """Without a word more it is prepared; in an emergency it takes over."""
    before = active(run, "SIGNING")
    prepared = json_of(run("key", "rotate", "signing", "--algorithm", "ES384", "--json"))
    assert prepared["state"] == "PREPARED"
    used = json_of(run("key", "rotate", "signing", "--algorithm", "EdDSA", "--immediately", "--json"))
    assert (used["algorithm"], used["state"]) == ("EdDSA", "ACTIVE")
    found = states(run, "SIGNING")
    assert (found[before], found[prepared["key_id"]], found[used["key_id"]]) == ("RETIRING", "RETIRED", "ACTIVE")


def test_a_revoked_key_ends_its_tokens(run: Run) -> None:
    """Those that it sealed are refused from then on."""
    token = json_of(run("token", "issue", "--subject", "ada", "--json"))["refresh_token"]
    ended = active(run, "REFRESH_MAC")
    revoked = json_of(run("key", "revoke", "refresh-mac", ended, "--reason", "a drill", "--json"))
    assert revoked["revision"] > 0
    assert states(run, "REFRESH_MAC")[ended] == "RETIRED"
    assert "REFRESH_TOKEN_INVALID" in run("token", "refresh", token, exit_code=80).stderr


def test_keys_are_a_table_for_people(run: Run) -> None:
    """A heading, and a line for each key, without anything secret."""
    heading, *rows = run("key", "list").stdout.splitlines()
    assert heading.split() == ["key_id", "purpose", "algorithm", "state", "activates_at", "retires_at"]
    assert active(run, "SIGNING") in "\n".join(rows)


def test_a_key_that_does_not_exist(run: Run) -> None:
    """The reason and the field come from the server."""
    assert "KEY_NOT_FOUND" in run("key", "revoke", "signing", "no-such-key", exit_code=69).stderr


def test_a_root_key_is_replaced_step_by_step(run: Run, tmp_path: Path) -> None:
    """Both are there, the keys are wrapped under the new one, the old one goes; then it alone opens nothing."""
    data, root = ("--data-dir", tmp_path), tmp_path / "root.key"
    new = base64.b64encode(os.urandom(32)).decode()
    assert json_of(run("key", "rewrap", *data, "--json")) == {"rewrapped": 0}
    old = root.read_text().strip()
    root.write_text(f"{new}\n{old}\n")
    assert json_of(run("key", "rewrap", *data, "--json")) == {"rewrapped": 2}
    root.write_text(f"{new}\n")
    assert json_of(run("key", "rewrap", *data, "--json")) == {"rewrapped": 0}
    root.write_text(f"{old}\n")
    assert "wrong root key" in run("key", "rewrap", *data, exit_code=1).stderr


def test_a_root_key_from_the_environment(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no files but secrets in variables; nothing is written then."""
    monkeypatch.setenv("TOKENSVC_ROOT_KEY", base64.b64encode(os.urandom(32)).decode())
    assert json_of(run("key", "rewrap", "--data-dir", tmp_path, "--json")) == {"rewrapped": 0}
    assert not (tmp_path / "root.key").exists()
    monkeypatch.setenv("TOKENSVC_ROOT_KEY", "not a key")
    refused = run("key", "rewrap", "--data-dir", tmp_path, exit_code=1).stderr
    assert "root_key" in refused
    assert "not a key" not in refused
