"""Owns the service under test: nodes in processes of their own over one database, started, killed and frozen."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil

from tests.consistency.history import Rotates
from tests.postgres import Postgres

CALLER = "bff"
WORKERS = 2
START_SECONDS = 30
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Client:
    """A public client.

    `retries` says that its retry window is longer than any run; otherwise it has none. `passing` says that it may be
    revoked as a whole. That without an answer, everything later of the client may be ended by it: so there are others.
    """

    name: str
    retries: bool
    passing: bool = False
    rotates: Rotates = Rotates.ALWAYS
    options: tuple[str, ...] = ()


CLIENTS = (
    Client("graceful", retries=True),
    Client("strict", retries=False),
    Client(
        "periodic", True, rotates=Rotates.SOMETIMES, options=("--rotation", "periodic", "--rotation-interval", "1s")
    ),
    Client("stateless", True, rotates=Rotates.UNNOTICED, options=("--refresh-token-format", "stateless_jwt")),
    Client("graceful-passing", retries=True, passing=True),
    Client("strict-passing", retries=False, passing=True),
)


class NotReadyError(Exception):
    """The service did not do in time what it should."""


class Node:
    """`tokensvc serve` with its workers, always on the same port."""

    def __init__(self, name: str, directory: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.address = f"127.0.0.1:{_free_port()}"
        self.log = directory / f"node-{name}.log"
        self._environment = {**environment, "TOKENSVC_LISTEN": self.address, "TOKENSVC_WORKERS": str(WORKERS)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until all its workers serve."""
        with self._expecting("serving"), self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tokensvc", "serve"], stdout=log, stderr=log, env=self._environment
            )

    @contextmanager
    def _expecting(self, event: str) -> Iterator[None]:
        """Wait at the end of the block until the node has logged an event in it or since."""
        place = self.log.stat().st_size if self.log.exists() else 0
        yield
        give_up = time.monotonic() + START_SECONDS
        while f'"event": "{event}"' not in (said := self.log.read_bytes()[place:].decode(errors="replace")):
            if time.monotonic() > give_up:
                raise NotReadyError(f"node {self.name} did not log {event!r} in time: {said[-2000:]}")
            self.check_running()
            time.sleep(_POLL_SECONDS)  # the log is another process's

    def check_running(self) -> None:
        """Raise NotReadyError if it has ended by itself."""
        if self._running.poll() is not None:
            raise NotReadyError(f"node {self.name} has ended: {self.log.read_text(errors='replace')[-2000:]}")

    def workers(self) -> list[psutil.Process]:
        """The processes that serve; those that hand over to others among them."""
        supervisor = psutil.Process(self._running.pid)
        return [child for child in supervisor.children() if child.status() != psutil.STATUS_ZOMBIE]

    def kill(self) -> None:
        """Kill -9 of the supervisor and all its workers."""
        self._signal_all(signal.SIGKILL)
        self._running.wait(START_SECONDS)

    def kill_supervisor(self) -> None:
        """Kill -9 of the supervisor alone; its workers have to end by themselves."""
        orphans = self.workers()
        self._running.kill()
        self._running.wait(START_SECONDS)
        _, alive = psutil.wait_procs(orphans, START_SECONDS)
        if alive:
            raise NotReadyError(f"node {self.name}: workers serve on without their supervisor")

    def renew(self) -> None:
        """SIGHUP; return when one worker after the other has been replaced."""
        with self._expecting("the workers are replaced"):
            self._running.send_signal(signal.SIGHUP)

    def kill_worker(self, chance: Random) -> None:
        """Kill -9 of one worker; return when there is another in its place."""
        with self._expecting("a new worker serves"):
            chance.choice(self.workers()).kill()

    def freeze_worker(self, chance: Random) -> psutil.Process:
        """SIGSTOP to one worker; answer it."""
        victim = chance.choice(self.workers())
        victim.suspend()
        return victim

    def stop(self) -> None:
        """SIGTERM; it ends when the calls under way are answered."""
        self._running.terminate()
        self._running.wait(START_SECONDS)

    def freeze(self) -> None:
        """SIGSTOP to all of its processes."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal_all(signal.SIGCONT)

    def end(self) -> None:
        """Leave nothing behind, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def _signal_all(self, number: signal.Signals) -> None:
        supervisor = psutil.Process(self._running.pid)
        for process in (supervisor, *supervisor.children(recursive=True)):
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue


@dataclass
class Deployment:
    """Nodes over one database, with the clients registered and the caller's secret."""

    nodes: Sequence[Node]
    secret: str
    directory: Path
    postgres: Postgres | None = None

    @property
    def data_file(self) -> Path:
        """The embedded database."""
        return self.directory / "data" / "tokensvc.db"

    def logged_errors(self) -> list[str]:
        """The defects that the nodes have logged."""
        lines = (line for node in self.nodes for line in node.log.read_text(errors="replace").splitlines())
        return [line for line in lines if '"internal error"' in line]


@contextmanager
def deployed(directory: Path, *, postgres: bool) -> Iterator[Deployment]:
    """Two nodes over PostgreSQL, or one over SQLite; everything that was started ends with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOKENSVC_")}
    environment = {
        **kept,
        "TOKENSVC_DATA_DIR": str(directory / "data"),
        "TOKENSVC_ROOT_KEY_FILE": str(directory / "root.key"),
        "TOKENSVC_LOG_FORMAT": "json",
        "TOKENSVC_REFUSAL_DELAY": "0",  # one caller plays everybody, thieves too
        "TOKENSVC_MAX_CONNECTION_AGE": "2",  # so that clients move between workers, and renewing does not take long
    }
    with ExitStack() as stack:
        server = None
        if postgres:
            server = Postgres.create(directory / "postgres")
            stack.callback(server.stop)
            server.start()
            environment["TOKENSVC_DATABASE_URL"] = server.create_database()
        secret = _register(environment)
        nodes = [Node(str(number), directory, environment) for number in range(1, 3 if postgres else 2)]
        for node in nodes:
            stack.callback(node.end)
            node.start()
        yield Deployment(nodes, secret, directory, server)


def _register(environment: Mapping[str, str]) -> str:
    """Make the schema and the clients; answer the caller's secret."""
    lifetimes = ("--access-ttl", "24h", "--scope", "read", "--audience", "api")
    rights = ("--permission", "issue,refresh,introspect,revoke", "--acts-for", "*")
    _tokensvc(environment, "db", "upgrade")
    with ThreadPoolExecutor(2) as executor:
        caller = executor.submit(_tokensvc, environment, "client", "create", CALLER, *rights, "--json")
        public = [
            executor.submit(
                _tokensvc, environment, "client", "create", client.name, "--public", *lifetimes,
                "--retry-window", "1h" if client.retries else "0s", *client.options,
            )
            for client in CLIENTS
        ]  # fmt: skip
        for registered in public:
            registered.result()
    return str(json.loads(caller.result())["client_secret"])


def _tokensvc(environment: Mapping[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "tokensvc", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise NotReadyError(f"{arguments}: {done.stdout}{done.stderr}")
    return done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
