"""Owns a PostgreSQL that is filled in a hurry and measured when it is durable, and what it says of its tables."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.deployment import POSTGRES, Deployment, Running, loader_core, serving
from bench.scale.sessions import Fill
from bench.server import prepare
from tests.postgres import Postgres
from tokensvc.app import open_store
from tokensvc.config import Settings, load_settings
from tokensvc.crypto.key_ring import RefreshTokenMac, open_mac_keys
from tokensvc.crypto.wrapping import Wrapper, load_root_key

# What ten million sessions want: the pages in use fit into memory, and half an hour lies between two checkpoints.
_ROOM: Final = {"shared_buffers": "6GB", "max_wal_size": "16GB", "checkpoint_timeout": "30min"}

# What is filled is thrown away if the machine stops; what is measured is not.
_IN_A_HURRY: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    **_ROOM,
}

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
    settings: Mapping[str, str]
    mac: RefreshTokenMac
    fill_seconds: float

    def number(self, query: str) -> int:
        """The one number that `query` answers."""
        return int(self.postgres.sql(query))

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
        lines = self.postgres.sql(query.replace("{table}", table)).splitlines()
        return {name: int(size) for name, size in (line.split("|") for line in lines)}


@contextmanager
def filled(fills: Sequence[Fill]) -> Iterator[Filled]:
    """A server on a database with these sessions, vacuumed, durable, and as it is between two checkpoints."""
    with tempfile.TemporaryDirectory(prefix="tokensvc-scale-") as scratch:
        loading = Postgres.create(Path(scratch) / "data", **_IN_A_HURRY).start()
        try:
            settings = {"data_dir": scratch, "database_url": loading.create_database()}
            authorization = asyncio.run(prepare(load_settings(settings)))
            began = time.monotonic()
            for fill in fills:
                asyncio.run(fill.write(settings["database_url"]))
            seconds = time.monotonic() - began
            loading.sql("VACUUM ANALYZE")
        finally:
            loading.stop()
        os.sync()  # the disk shall not be busy with this while the commits of others wait for it
        durable = Postgres(loading.directory, loading.port, dict(_ROOM))
        with loader_core():
            durable.start()
        try:
            durable.sql(_TOUCH_EVERY_PAGE)
            mac = asyncio.run(_mac(load_settings(settings)))
            with serving(Deployment(POSTGRES), settings, authorization, durable) as running:
                yield Filled(running, durable, settings, mac, seconds)
        finally:
            durable.stop()


async def _mac(settings: Settings) -> RefreshTokenMac:
    store = open_store(settings)
    try:
        return RefreshTokenMac(open_mac_keys(await store.keys(), Wrapper(load_root_key(settings.root_key_path))))
    finally:
        await store.close()
