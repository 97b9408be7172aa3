"""Owns the PostgreSQL that a test run shares: started at its first use, with a database for each test that asks."""

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.postgres import Postgres, psql

_ELSEWHERE = "TOKENSVC_TEST_POSTGRES_URL"


@cache
def _server_url() -> str:
    """The database in which others are created and dropped."""
    if elsewhere := os.environ.get(_ELSEWHERE):
        return elsewhere
    directory = Path(tempfile.mkdtemp(prefix="tokensvc-postgres-"))
    # What a crash of the machine would lose is no concern of these tests; tests of crashes have servers of their own.
    _own.append(Postgres.create(directory / "data", fsync="off", full_page_writes="off").start())
    return _own[0].url("postgres")


_own: list[Postgres] = []


def create_database(name: str) -> str:
    """Make an empty database; answer its URL."""
    psql(_server_url(), f'CREATE DATABASE "{name}"')
    return urlunsplit(urlsplit(_server_url())._replace(path=f"/{name}"))


def copy_database(name: str, template: str) -> str:
    """Make a copy of the database `template`, which nobody may be using; answer its URL."""
    psql(_server_url(), f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    return urlunsplit(urlsplit(_server_url())._replace(path=f"/{name}"))


def drop_database(name: str) -> None:
    """Remove a database if it is there, whoever is still connected."""
    psql(_server_url(), f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def stop() -> None:
    """End the server if one was started."""
    for server in _own:
        server.stop()
        subprocess.run(["rm", "-rf", server.directory.parent], check=True)
