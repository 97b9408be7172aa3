"""`tokensvc demo` as a process."""

from pathlib import Path

import pytest

from tests.cli.processes import TOKENSVC, run_to_end
from tokensvc.cli.demo import Story
from tokensvc.cli.failures import CommandError


def test_the_demo_goes_through_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is numbered and checked; the settings of a real installation are not looked at."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    ended = run_to_end(*TOKENSVC, "demo", config=str(tmp_path / "real.toml"))
    assert ended.returncode == 0, ended.stderr
    steps = [line for line in ended.stdout.splitlines() if line[:2].strip().isdigit()]
    assert [int(line.split(".")[0]) for line in steps] == list(range(1, len(steps) + 1))
    story = ["Issue", "Introspect", "Refresh", "Retry", "Reuse", "Issue", "Revoke", "Introspect", "Stop"]
    assert [line.split()[1].rstrip(":") for line in steps][2:] == story
    assert "REFRESH_TOKEN_REUSED" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_goes_wrong_ends_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    """What does not hold is a failure that names the step, and it is not printed as if it held."""
    story = Story()
    story.step("Refresh")
    with pytest.raises(CommandError, match=r"step 1 .* the token has changed"):
        story.check("the token has changed", holds=False)
    assert "ok" not in capsys.readouterr().out


def test_a_server_that_does_not_start_ends_the_demo(tmp_path: Path) -> None:
    """What the server said is passed on, and the exit code is 1."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'serve' in sys.orig_argv:\n    sys.exit('no server today')\n"
    )
    ended = run_to_end("env", f"PYTHONPATH={tmp_path}", *TOKENSVC, "demo")
    assert ended.returncode == 1
    assert "the server did not start" in ended.stderr
    assert "no server today" in ended.stderr
