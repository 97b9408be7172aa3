"""A real server in a process of its own, started and ended through the command line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

TOKENSVC = (sys.executable, "-m", "tokensvc")
LIMIT = 30


@dataclass
class Process:
    """A server process; `lines` is what it has said on standard error so far."""

    popen: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The next line of standard error; a process that says nothing for too long is killed."""
        watchdog = Timer(LIMIT, self.popen.kill)
        watchdog.start()
        self.lines.append(self.popen.stderr.readline() if self.popen.stderr else "")
        watchdog.cancel()
        return self.lines[-1]

    def wait_for(self, event: str) -> dict[str, Any]:
        """Read JSON log lines until `event`."""
        while line := self.line():
            said: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
            if said.get("event") == event:
                return said
        raise AssertionError(f"no event {event!r}: {self.lines}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; answer the exit code."""
        self.popen.send_signal(number)
        rest = self.popen.communicate(timeout=LIMIT)[1]
        self.lines += rest.splitlines(keepends=True)
        return self.popen.returncode


def plain_environment(**settings: str) -> dict[str, str]:
    """The environment without any setting but those given, by their names in lower case."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOKENSVC_")}
    return kept | {f"TOKENSVC_{name.upper()}": value for name, value in settings.items()}


@contextmanager
def started(*command: str | Path, **settings: str) -> Iterator[Process]:
    """Start `command`; it is killed at the end."""
    with subprocess.Popen(
        [*map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=plain_environment(**settings),
    ) as popen:
        try:
            yield Process(popen)
        finally:
            popen.kill()


@contextmanager
def serving(data_dir: Path, *flags: str, **settings: str) -> Iterator[tuple[Process, dict[str, Any]]]:
    """Start a server on `data_dir`; answer it and what it has logged when it could be called."""
    fixed = ("--data-dir", data_dir, "--listen", "127.0.0.1:0", "--log-format", "json")
    with started(*TOKENSVC, "serve", *fixed, *flags, **settings) as process:
        yield process, process.wait_for("serving")


def run_to_end(*command: str | Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run `command` and answer how it ended."""
    return subprocess.run(
        [*map(str, command)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=plain_environment(**settings),
        check=False,
    )
