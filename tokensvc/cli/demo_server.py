"""Owns the server of the demo: a process of its own, on a directory that is removed afterwards."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

from tokensvc.cli.failures import CommandError
from tokensvc.config import environment_without_settings

_START_SECONDS = 30
_STOP_SECONDS = 15


@dataclass(frozen=True, slots=True)
class DemoServer:
    """A server that can be called; `started` is what it has logged about itself."""

    process: "subprocess.Popen[str]"
    started: Mapping[str, Any]

    @property
    def address(self) -> str:
        """Where it listens."""
        return str(self.started["address"])

    def stop(self) -> int:
        """Send SIGTERM; answer the exit code, or fail if the server does not end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise CommandError(f"the server did not end within {_STOP_SECONDS} seconds of SIGTERM") from None
        return self.process.returncode


@contextmanager
def demo_server(data_dir: Path, issuer: str) -> Iterator[DemoServer]:
    """Start a server on `data_dir`; whatever happens, it does not outlive the block."""
    arguments = ("--data-dir", str(data_dir), "--issuer", issuer, "--listen", "127.0.0.1:0", "--log-format", "json")
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "tokensvc", "serve", *arguments],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment_without_settings(),
    ) as process:
        try:
            yield DemoServer(process, _started(process))
        finally:
            process.kill()  # does nothing to one that has ended


def _started(process: "subprocess.Popen[str]") -> Mapping[str, Any]:
    """Wait for the event "serving"; a server that does not get there in time is killed, and so ends the wait."""
    watchdog = Timer(_START_SECONDS, process.kill)
    watchdog.start()
    said = []
    try:
        for line in process.stderr or ():
            said.append(line.strip())
            if (event := _event(line)).get("event") == "serving":
                return event
    finally:
        watchdog.cancel()
    raise CommandError(f"the server did not start: {' / '.join(said) or 'it said nothing'}")


def _event(line: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
