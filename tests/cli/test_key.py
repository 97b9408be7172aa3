"""`tokensvc key`, against a real server."""

import asyncio
import base64
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Run, json_of
from tests.cli.processes import TOKENSVC, run_to_end, serving
from tests.softhsm import PIN, SoftHsm
from tokensvc.app import open_keys, open_store, system_clock
from tokensvc.config import load_settings

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


def install(data_dir: Path, **flags: str) -> None:
    """Make the database, the root key and the first keys, as the first start of a server does."""

    async def start() -> None:
        settings = load_settings({"data_dir": data_dir, **flags})
        store = open_store(settings)
        await open_keys(store, settings, system_clock, os.urandom)
        await store.close()

    asyncio.run(start())


def test_a_root_key_is_replaced_step_by_step(run: Run, tmp_path: Path) -> None:
    """Both are there, the keys are wrapped under the new one, the old one goes; then it alone opens nothing."""
    data, root = ("--data-dir", tmp_path), tmp_path / "root.key"
    new = base64.b64encode(os.urandom(32)).decode()
    install(tmp_path)
    assert json_of(run("key", "rewrap", *data, "--json")) == {"rewrapped": 0}
    old = root.read_text().strip()
    root.write_text(f"{new}\n{old}\n")
    assert json_of(run("key", "rewrap", *data, "--json")) == {"rewrapped": 3}
    root.write_text(f"{new}\n")
    assert json_of(run("key", "rewrap", *data, "--json")) == {"rewrapped": 0}
    root.write_text(f"{old}\n")
    assert "wrong root key" in run("key", "rewrap", *data, exit_code=1).stderr


def test_without_keys_there_is_nothing_to_rewrap(run: Run, tmp_path: Path) -> None:
    """None is made, and no root key either."""
    assert json_of(run("key", "rewrap", "--data-dir", tmp_path, "--json")) == {"rewrapped": 0}
    assert not (tmp_path / "root.key").exists()
    (tmp_path / "root.key").write_text("no key at all")
    assert run("key", "rewrap", "--data-dir", tmp_path).stdout.split() == ["rewrapped:", "0"]


def test_a_root_key_from_the_environment(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no files but secrets in variables; nothing is written then."""
    old, new = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    monkeypatch.setenv("TOKENSVC_ROOT_KEY", old)
    install(tmp_path)
    monkeypatch.setenv("TOKENSVC_ROOT_KEY", f"{new} {old}")
    assert json_of(run("key", "rewrap", "--data-dir", tmp_path, "--json")) == {"rewrapped": 3}
    assert not (tmp_path / "root.key").exists()
    monkeypatch.setenv("TOKENSVC_ROOT_KEY", "not a key")
    refused = run("key", "rewrap", "--data-dir", tmp_path, exit_code=1).stderr
    assert "root_key" in refused
    assert "not a key" not in refused


@pytest.fixture
def pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the HSM's PIN, which the environment names."""
    (tmp_path / "pin").write_text(f"{PIN}\n")
    monkeypatch.setenv("TOKENSVC_PKCS11_PIN_FILE", str(tmp_path / "pin"))
    return tmp_path / "pin"


def test_the_root_key_moves_into_an_hsm_and_back(run: Run, tmp_path: Path, hsm: SoftHsm, pin: Path) -> None:
    """As any root key is replaced. Servers start with either alone, workers too."""
    data, root = tmp_path / "data", tmp_path / "data" / "root.key"
    install(data)
    old, uri = root.read_text().strip(), hsm.new_key()
    for lines, rewrapped in (([uri, old], 3), ([uri], 0), ([old, uri], 3), ([old], 0)):
        root.write_text("\n".join(lines))
        assert json_of(run("key", "rewrap", "--data-dir", data, "--json")) == {"rewrapped": rewrapped}
        if lines == [uri]:
            with serving(data, workers="2", pkcs11_pin_file=str(pin)) as (process, said):
                assert said["workers"] == 2
                assert process.end() == 0
    root.write_text(uri)
    assert "a root key in base64 has wrapped it" in run("key", "rewrap", "--data-dir", data, exit_code=1).stderr


def test_a_wrong_pin_is_said_in_one_line(run: Run, tmp_path: Path, hsm: SoftHsm, pin: Path) -> None:
    """A server does not start, and its words do not hold the PIN."""
    (tmp_path / "root.key").write_text(hsm.new_key())
    (tmp_path / "root.key").chmod(0o600)
    pin.write_text("canary-wrong-pin")
    command = (*TOKENSVC, "serve", "--data-dir", tmp_path, "--listen", "127.0.0.1:0")
    ended = run_to_end(*command, pkcs11_pin_file=str(pin))
    assert ended.returncode == 1
    assert ended.stderr == "error: the PKCS#11 token tokensvc tests refuses the PIN (PinIncorrect)\n"
