"""A server in a process of its own, as an operator runs it, and the clients that call it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from tests.harness import Caller


@dataclass
class ServerProcess:
    """`tokensvc serve` on a data directory."""

    data_dir: Path
    process: "subprocess.Popen[str]"
    address: str

    def kill(self) -> None:
        """End it like a power cut ends it."""
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> int:
        """Ask it to stop; answer the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def tokensvc(*arguments: str, data_dir: Path, **settings: str) -> str:
    """Run a command of an operator at the database; answer what it printed."""
    command = [sys.executable, "-m", "tokensvc", *arguments, "--data-dir", str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=_environment(settings))
    return done.stdout


def create_client(data_dir: Path, client_id: str, *flags: str, **settings: str) -> str:
    """Register a client; answer its secret."""
    printed = tokensvc("client", "create", client_id, "--json", *flags, data_dir=data_dir, **settings)
    return str(json.loads(printed)["client_secret"])


@contextmanager
def serving(data_dir: Path, *flags: str, **settings: str) -> Iterator[ServerProcess]:
    """Start a server on a free port, with `settings` in its environment; it does not outlive the block."""
    command = [sys.executable, "-m", "tokensvc", "serve", "--data-dir", str(data_dir), "--log-format", "json"]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", *flags], stderr=subprocess.PIPE, text=True, env=_environment(settings)
    ) as process:
        try:
            address = _address(process)
            # Whatever else it says is read, so that it never has to wait with its log.
            threading.Thread(target=deque, args=(process.stderr, 0), daemon=True).start()
            yield ServerProcess(data_dir, process, address)
        finally:
            process.kill()


@contextmanager
def calling(server: ServerProcess, client_id: str, secret: str, *, retries: bool = False) -> Iterator[Caller]:
    """A caller on a channel, close it inside the running loop.

    Unless it `retries` it does nothing by itself, not even send a call again that a connection took back unread as it
    was given up.
    """
    options = (("grpc.enable_retries", int(retries)),)
    yield Caller(client_id, secret, grpc.aio.insecure_channel(server.address, options=options))


def _address(process: "subprocess.Popen[str]") -> str:
    said = []
    for line in process.stderr or ():
        said.append(line)
        event = json.loads(line)
        if event.get("event") == "serving":
            return str(event["address"])
    raise AssertionError(f"the server did not start: {said}")


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOKENSVC_")}
    return kept | {f"TOKENSVC_{name.upper()}": value for name, value in settings.items()}
