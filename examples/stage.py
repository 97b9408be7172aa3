"""Owns the stage of the examples: a token service of their own with clients, and a file to call it from a shell.

Nothing here is to be copied. Your token service runs elsewhere, and its clients are registered once.
"""

import asyncio
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tokensvc_client import Client, Secret, TokenClient

from tokensvc.cli.demo_server import demo_server
from tokensvc.config import environment_without_settings

ISSUER = "https://tokens.example"


@dataclass(frozen=True)
class Stage:
    """A token service at `address`."""

    directory: Path
    address: str
    administrator: TokenClient

    def register(self, client: Client) -> Secret:
        """Register a client; answer what it shows of itself."""
        return Secret(client.client_id, self.administrator.create_client(client).client_secret)

    def shell(self, credentials: Secret) -> str:
        """A file for the shell, after which `tokensvc` and the examples call the service with these credentials."""
        variables = {
            "PATH": f"{Path(sys.executable).parent}:$PATH",
            "TOKENSVC_ADDRESS": self.address,
            "TOKENSVC_CLIENT_ID": shlex.quote(credentials.client_id),
            "TOKENSVC_CLIENT_SECRET": shlex.quote(credentials.client_secret),
        }
        file = self.directory / f"{credentials.client_id}.env"
        file.write_text("".join(f"export {name}={value}\n" for name, value in variables.items()))
        return str(file)


@contextmanager
def set_up() -> Iterator[Stage]:
    """Start a token service on SQLite in a temporary directory, which only this user can read. Both go in the end."""
    with TemporaryDirectory(prefix="tokensvc-example-") as name, demo_server(Path(name), ISSUER) as server:
        credentials = _first_administrator(Path(name))
        with TokenClient(server.address, credentials=credentials) as administrator:
            yield Stage(Path(name), server.address, administrator)
        server.stop()


def _first_administrator(data_dir: Path) -> Secret:
    """Registered at the database itself: before it there is nobody who could call."""
    command = [sys.executable, "-m", "tokensvc", "client", "create", "administrator", "--permission", "admin", "--json"]
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [*command, "--data-dir", str(data_dir)], stdout=subprocess.PIPE, check=True, env=environment_without_settings()
    )
    return Secret("administrator", json.loads(done.stdout)["client_secret"])


def say(title: str, lines: str) -> None:
    """Print what can be typed next, indented."""
    typed = "\n".join(f"    {line}" for line in lines.strip().splitlines())
    print(f"\n{title}\n\n{typed}\n\nCtrl-C ends everything.", flush=True)


async def until_interrupted() -> None:
    """Wait for Ctrl-C, or SIGTERM."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
