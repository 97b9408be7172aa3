"""Examples in processes of their own, and who types what they print."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 120


@dataclass
class Example:
    """A running example, and the lines that it says can be typed."""

    process: "subprocess.Popen[str]"
    lines: list[str]

    def type(self, *programs: str) -> str:
        """Type all lines in a terminal, which has to have these programs; answer what is printed there."""
        found = [shutil.which(program) for program in programs]
        if None in found:
            pytest.skip(f"not all of these are installed: {programs}")
        script = "\n".join(["set -euo pipefail", *self.lines])
        path = os.pathsep.join([*(str(Path(str(program)).parent) for program in found), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=_environment() | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        return done.stdout

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> int:
        """What Ctrl-C does: all processes of the example get it. Answer the exit code."""
        os.killpg(self.process.pid, number)
        return self.process.wait(LIMIT)


@contextmanager
def running(name: str, scratch: Path) -> Iterator[Example]:
    """Start an example with `scratch` for its temporary files; whatever happens, it does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-m", f"examples.{name}"],
        cwd=ROOT,
        env=_environment() | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        watchdog = Timer(LIMIT, process.kill)
        watchdog.start()
        try:
            yield Example(process, _lines(process))
        finally:
            watchdog.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _lines(process: "subprocess.Popen[str]") -> list[str]:
    said = []
    for line in process.stdout or ():
        if line.startswith("Ctrl-C"):
            return [line.strip() for line in said if line.startswith("    ")]
        said.append(line)
    raise AssertionError(f"the example has not started: {said}")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TOKENSVC_")}
