"""Two nodes in processes of their own, on one PostgreSQL database that is theirs alone."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import postgres_databases
from tests.harness import Caller
from tests.system.processes import ServerProcess, calling, create_client, serving, tokensvc


@dataclass(frozen=True)
class Nodes:
    """Two servers, and one caller as each of them sees it."""

    servers: tuple[ServerProcess, ServerProcess]
    callers: tuple[Caller, Caller]
    settings: Mapping[str, str]


@asynccontextmanager
async def running_nodes(
    directory: Path, database: str, permissions: str, *, retries: bool = False, **settings: str
) -> AsyncIterator[Nodes]:
    """One caller with `permissions`, seen by nodes that share the database and the root key and nothing else.

    What `retries` means says `calling`.
    """
    postgres_databases.drop_database(database)
    common = {
        "database_url": postgres_databases.create_database(database),
        "root_key_file": str(directory / "root.key"),
        **settings,
    }
    tokensvc("db", "upgrade", data_dir=directory, **common)
    flags = ("--permission", permissions, "--answers-for", "api", "--audience", "api")
    secret = create_client(directory, "bff", *flags, **common)
    with serving(directory / "one", **common) as one, serving(directory / "two", **common) as two:
        with (
            calling(one, "bff", secret, retries=retries) as first,
            calling(two, "bff", secret, retries=retries) as second,
        ):
            yield Nodes((one, two), (first, second), common)
            await first.channel.close()
            await second.channel.close()
        assert (one.terminate(), two.terminate()) == (0, 0)
    postgres_databases.drop_database(database)


@asynccontextmanager
async def two_nodes(
    directory: Path, database: str, permissions: str, **settings: str
) -> AsyncIterator[tuple[Caller, Caller]]:
    """The callers of `running_nodes` alone."""
    async with running_nodes(directory, database, permissions, **settings) as nodes:
        yield nodes.callers
