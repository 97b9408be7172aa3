"""Owns databases that are filled in a hurry and measured when they are durable, and what they say of their tables."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.deployment import POSTGRES, Deployment, Running, loader_core, serving
from bench.scale.sessions import Fill
from bench.server import prepare
from tests.postgres import Postgres
from tokensvc.app import open_store
from tokensvc.config import Settings, load_settings
from tokensvc.crypto.key_providers import open_providers
from tokensvc.crypto.key_ring import MacKey, open_mac_keys
from tokensvc.crypto.root_keys import read_root_keys
from tokensvc.crypto.wrapping import Wrapper

# What ten million sessions want: the pages in use fit into memory, and half an hour lies between two checkpoints.
_ROOM: Final = {"shared_buffers": "6GB", "max_wal_size": "16GB", "checkpoint_timeout": "30min"}

# What is filled is thrown away if the machine stops; what is measured is not.
_IN_A_HURRY: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    **_ROOM,
}

# Each column here leads one of the indexes. The pages in use shall be in memory before anything is measured: a machine
# that takes them from the kernel's cache for something else lets a large table wait for the disk, and no small one.
_READ_EVERY_INDEX: Final = """
    SET enable_seqscan = off;
    SET enable_bitmapscan = off;
    SELECT count(session_id) FROM sessions;
    SELECT count(subject) FROM sessions;
    SELECT count(client_id) FROM sessions;
    SELECT count(expires_at) FROM sessions;
"""

# The first change of a page after a checkpoint writes the whole page to the log, and fetches it. Of all refreshes
# between two checkpoints these are few; measured just after a start they would be all.
_TOUCH_EVERY_PAGE: Final = """
    UPDATE sessions SET used_at = used_at WHERE ctid = ANY (ARRAY(
        SELECT format('(%s,1)', page)::tid FROM generate_series(0, pg_relation_size('sessions') / 8192 - 1) AS page))
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """A database that serves."""

    running: Running
    postgres: Postgres
    name: str
    settings: Mapping[str, str]
    mac: MacKey
    fill_seconds: float

    def number(self, query: str) -> int:
        """The one number that `query` answers."""
        return int(self.sql(query))

    def sql(self, statement: str) -> str:
        """Run SQL in this database; answer what psql prints."""
        return self.postgres.sql(statement, self.name)

    def wal_bytes(self) -> int:
        """How much has been written to the write-ahead log since the cluster was made."""
        return self.number("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")

    def sizes(self, table: str) -> dict[str, int]:
        """The bytes of a table and of each of its indexes, and the rows in it."""
        query = """
            SELECT relname, pg_relation_size(oid) FROM pg_class WHERE oid = '{table}'::regclass
            UNION ALL SELECT indexrelid::regclass::text, pg_relation_size(indexrelid)
            FROM pg_index WHERE indrelid = '{table}'::regclass
            UNION ALL SELECT 'total', pg_total_relation_size('{table}')
            UNION ALL SELECT 'rows', count(*) FROM {table}
        """
        lines = self.sql(query.replace("{table}", table)).splitlines()
        return {name: int(size) for name, size in (line.split("|") for line in lines)}


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A database that is filled."""

    name: str
    settings: Mapping[str, str]
    authorization: str
    seconds: float


@contextmanager
def filled(*contents: Sequence[Fill]) -> Iterator[list[Filled]]:
    """A database for each of `contents`, with a server: vacuumed, durable, and as it is between two checkpoints.

    They are side by side in one PostgreSQL, so that what is measured on one can be compared with another.
    """
    with tempfile.TemporaryDirectory(prefix="tokensvc-scale-") as name, ExitStack() as stack:
        scratch = Path(name)
        loading = Postgres.create(scratch / "data", **_IN_A_HURRY).start()
        try:
            databases = [_load(loading, scratch / f"filled{number}", fills) for number, fills in enumerate(contents)]
        finally:
            loading.stop()
        os.sync()  # the disk shall not be busy with this while the commits of others wait for it
        durable = Postgres(loading.directory, loading.port, _ROOM)
        with loader_core():
            durable.start()
        stack.callback(durable.stop)
        for database in databases:
            durable.sql(_READ_EVERY_INDEX, database.name)
            durable.sql(_TOUCH_EVERY_PAGE, database.name)
        yield [stack.enter_context(_served(durable, database)) for database in databases]


def _load(postgres: Postgres, directory: Path, fills: Sequence[Fill]) -> _Loaded:
    directory.mkdir()
    name = directory.name
    settings = {"data_dir": str(directory), "database_url": postgres.create_database(name)}
    authorization = asyncio.run(prepare(load_settings(settings)))
    began = time.monotonic()
    for fill in fills:
        asyncio.run(fill.write(settings["database_url"]))
    seconds = time.monotonic() - began
    postgres.sql("VACUUM ANALYZE", name)
    return _Loaded(name, settings, authorization, seconds)


@contextmanager
def _served(postgres: Postgres, loaded: _Loaded) -> Iterator[Filled]:
    mac = asyncio.run(_mac(load_settings(loaded.settings)))
    with serving(Deployment(POSTGRES), loaded.settings, loaded.authorization, postgres) as running:
        yield Filled(running, postgres, loaded.name, loaded.settings, mac, loaded.seconds)


async def _mac(settings: Settings) -> MacKey:
    store = open_store(settings)
    try:
        path = settings.root_key_path
        wrapper = Wrapper(*open_providers(read_root_keys(path), str(path)))
        return open_mac_keys(await store.keys(), wrapper)[-1]
    finally:
        await store.close()
