"""Owns the table of keys: read whole, for it is small, and written by one transaction at a time."""

from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from tokensvc.domain.keys import KeyPurpose, StoredKey
from tokensvc.store.rows import key_from, key_row
from tokensvc.store.schema import keys


def read_keys(connection: Connection) -> list[StoredKey]:
    """All keys, the oldest first."""
    known = select(keys).where(keys.c.purpose.in_([*KeyPurpose]))  # not those of a version to come
    found = connection.execute(known.order_by(keys.c.created_at, keys.c.key_id))
    return list(map(key_from, found.mappings()))


def lock_keys(connection: Connection) -> list[StoredKey]:
    """All keys, and nobody else changes them until the commit.

    They are read again when they are locked: who had to wait would miss what was added meanwhile.
    """
    connection.execute(select(keys.c.key_id).order_by(*keys.primary_key).with_for_update())
    return read_keys(connection)


def write_keys(connection: Connection, changed: Iterable[StoredKey]) -> None:
    """Write keys as they are now, new ones too."""
    for key in changed:
        is_it = (keys.c.purpose == key.purpose) & (keys.c.key_id == key.key_id)
        # Never deleted and inserted again: who waits for the row's lock would wait for one that is gone.
        if connection.execute(update(keys).where(is_it).values(key_row(key))).rowcount == 0:
            connection.execute(insert(keys).values(key_row(key)))
