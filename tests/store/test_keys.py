"""The key table, on every kind of store."""

import asyncio
from collections.abc import Callable

from tests.store.samples import NOW
from tokensvc.domain.keys import KeyPurpose, KeyState, StoredKey
from tokensvc.ports import Store
from tokensvc.store.sql_store import SqlStore

SIGNING = StoredKey("k1", KeyPurpose.SIGNING, "ES256", KeyState.ACTIVE, NOW, bytes(range(256)), '{"kty":"EC"}')
MAC = StoredKey("1", KeyPurpose.REFRESH_MAC, "HS256", KeyState.PREPARED, NOW + 1, b"\x00wrapped\xff")
OTHER = StoredKey("k2", KeyPurpose.SIGNING, "EdDSA", KeyState.RETIRED, NOW, b"other")


async def test_the_first_keys_are_read_back(store: Store) -> None:
    """Every field of a key, its bytes included, is there as it was added."""
    await store.add_first_keys([SIGNING, MAC])
    assert await store.keys() == [SIGNING, MAC]


async def test_a_new_store_has_no_keys(store: Store) -> None:
    """Before the first keys are added there are none."""
    assert await store.keys() == []


async def test_first_keys_are_added_once(store: Store) -> None:
    """Whoever comes second leaves the keys as they are."""
    await store.add_first_keys([SIGNING])
    await store.add_first_keys([OTHER])
    assert await store.keys() == [SIGNING]


async def test_of_two_stores_that_start_together_one_wins(open_sqlite: Callable[[], SqlStore]) -> None:
    """Both stores of one file end up with the same keys, those of one of them."""
    one, other = open_sqlite(), open_sqlite()
    await asyncio.gather(one.add_first_keys([SIGNING]), other.add_first_keys([OTHER]))
    keys = await one.keys()
    assert keys in ([SIGNING], [OTHER])
    assert await other.keys() == keys
