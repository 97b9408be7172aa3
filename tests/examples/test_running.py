"""The examples as people start them: what they print can be typed, and they leave nothing behind."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.examples.typing_along import ROOT, running
from tests.system.test_grpcurl import grpcurl_program


def test_what_the_orders_example_prints_can_be_typed(tmp_path: Path) -> None:
    """A customer orders, another service counts, and a revoked token is refused a moment later."""
    grpcurl_program()
    with running("orders", tmp_path) as example:
        printed = example.type("grpcurl", "awk")
        assert example.interrupt() == 0
    assert printed.count('"item": "tea"') == 2
    assert "\n1 tea\n" in printed
    assert re.findall(r"^refused: (.*)$", printed, re.MULTILINE) == [
        "the token lacks a scope",
        "the token was revoked",
        "there is no token",
    ]
    assert '"status": "SERVING"' in printed
    assert list(tmp_path.iterdir()) == []


def test_what_the_bff_example_prints_can_be_typed(tmp_path: Path) -> None:
    """A user signs in twice and one device out; then a refresh token that was used comes back, and raises the alarm."""
    with running("bff", tmp_path) as example:
        printed = example.type("curl", "python3")
        assert example.interrupt(signal.SIGTERM) == 0
    assert '"user":"ada","device_id":"phone"' in printed
    assert printed.count('"name":"Ada\'s tablet"') == 1
    assert re.findall(r"^HTTP/1.1 (\d+)", printed, re.MULTILINE) == ["204", "401"]
    assert re.findall(r'\{"action":"(\w+)"\} - (.*)$', printed, re.MULTILINE) == [
        ("log_in_again", "the tablet was signed out"),
        ("alarm", "the first token of the phone has come back"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_the_operator_example_prints_can_be_typed(tmp_path: Path) -> None:
    """Sessions are listed, ended only after --yes, and the reason stands in the audit trail."""
    with running("operator", tmp_path) as example:
        printed = example.type("bash")
        assert example.interrupt() == 0
    assert printed.count("ada has 2 live sessions") == 2
    assert "nothing was changed" in printed
    assert printed.count("ada has 0 live sessions") == 1
    assert "TICKET-7" in printed.partition("ada has 0")[2]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["orders", "bff", "operator"])
def test_make_starts_them(name: str) -> None:
    """By the target that the documentation names."""
    command = ["make", "--dry-run", f"example-{name}"]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout
    assert f"python -m examples.{name}" in planned
