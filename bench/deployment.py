"""Owns what is started for a measurement: PostgreSQL, a fresh database, the workers, and which core each has."""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from bench.cases import Server
from bench.load import Caller
from bench.server import prepare
from tests.postgres import Postgres
from tokensvc.config import PREFIX, load_settings

SQLITE: Final = "sqlite"
POSTGRES: Final = "postgres"

_CONNECTIONS = 2  # to each of several workers

_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A service to be measured. `settings` are the product's by name, where they differ from their defaults.

    One worker has the first core to itself; several, and one that is to be compared with them, share all cores with
    the load generator and the database.
    """

    store: str
    workers: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    own_core: bool = True

    @property
    def variant(self) -> str:
        """What distinguishes its cases from those of other deployments."""
        return "".join(f" {name}={value}" for name, value in self.settings.items())


@dataclass(frozen=True, slots=True)
class Running:
    """A deployment that serves. `database` is PostgreSQL's first process."""

    deployment: Deployment
    server: Server
    workers: Sequence[psutil.Process]
    database: psutil.Process | None


@contextmanager
def running_postgres(**settings: str) -> Iterator[Postgres]:
    """A durable PostgreSQL on the load generator's core."""
    with tempfile.TemporaryDirectory(prefix="tokensvc-bench-") as scratch:
        postgres = Postgres.create(Path(scratch) / "data", **settings)
        with loader_core():
            postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()


@contextmanager
def running(deployment: Deployment, postgres: Postgres | None) -> Iterator[Running]:
    """`deployment` on a database of its own, which is removed afterwards; PostgreSQL's in `postgres`."""
    with tempfile.TemporaryDirectory(prefix="tokensvc-bench-") as scratch, ExitStack() as stack:
        # Both URLs are given, because what a developer has in the environment must not decide what is measured.
        settings = {"data_dir": scratch, "database_url": "", "replica_url": "", **deployment.settings}
        if deployment.store == POSTGRES:
            assert postgres is not None
            name = f"bench_{secrets.token_hex(4)}"
            settings["database_url"] = postgres.create_database(name)
            stack.callback(postgres.drop_database, name)
        authorization = asyncio.run(prepare(load_settings(settings)))
        yield stack.enter_context(serving(deployment, settings, authorization, postgres))


@contextmanager
def serving(
    deployment: Deployment, settings: Mapping[str, str], authorization: str, postgres: Postgres | None
) -> Iterator[Running]:
    """The workers of `deployment` on a database that is prepared, this process beside them."""
    with ExitStack() as stack:
        with _on_cores(_CORES[:1] if deployment.own_core else _CORES):
            started = [stack.enter_context(_worker(settings)) for _ in range(deployment.workers)]
        stack.enter_context(_on_cores(_CORES[1:] if deployment.own_core else _CORES))
        callers = [Caller(("127.0.0.1", port), authorization) for _, port in started]
        server = Server(callers if deployment.own_core else callers * _CONNECTIONS)
        database = psutil.Process(postgres.pid) if postgres and deployment.store == POSTGRES else None
        yield Running(deployment, server, [process for process, _ in started], database)


def loader_core() -> AbstractContextManager[None]:
    """What is started here shares the core of the load generator, or its cores."""
    return _on_cores(_CORES[1:])


@contextmanager
def _on_cores(cores: Sequence[int]) -> Iterator[None]:
    """This thread, and every process that it starts, on these cores alone, as far as the machine has them."""
    if len(_CORES) < 2:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _worker(settings: Mapping[str, str]) -> Iterator[tuple[psutil.Process, int]]:
    """A worker on a port of its own, so that connections are spread evenly and not by chance."""
    # A URL has a password in it: it must not be among the arguments.
    environment = os.environ | {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.server"], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        yield psutil.Process(process.pid), int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)
