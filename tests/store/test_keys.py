"""The key table, on every kind of store."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.store.kinds import KINDS, Kind
from tests.store.samples import NOW, an_entry, writing
from tokensvc.domain.effects import Effects
from tokensvc.domain.keys import KeyPurpose, StoredKey
from tokensvc.domain.policy import DAY
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.ports import Rows, Store, Unit
from tokensvc.store.sql_store import SqlStore

SHARED = [kind for kind in KINDS if kind.survives_restart]
SIGNING = StoredKey("k1", KeyPurpose.SIGNING, "ES256", NOW, NOW + 5, bytes(range(256)), '{"kty":"EC"}')
MAC = StoredKey("1", KeyPurpose.REFRESH_MAC, "HS256", NOW + 1, NOW, b"\x00wrapped\xff", retires_at=NOW + 9)
MAKES_SESSIONS = StoredKey("7", KeyPurpose.SESSION_MAC, "HS256", NOW, NOW, b"third")
OTHER = StoredKey("k2", KeyPurpose.SIGNING, "EdDSA", NOW, NOW, b"other")


class Told:
    """Notes the keys that it is told."""

    def __init__(self) -> None:
        self.keys: list[Sequence[StoredKey]] = []

    async def __call__(self, keys: Sequence[StoredKey]) -> None:
        self.keys.append(keys)


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


async def test_a_purpose_that_has_no_key_gets_its_first(store: Store) -> None:
    """As an installation does that is older than the purpose; those of other purposes stay as they are."""
    await store.add_first_keys([SIGNING, MAC])
    await store.add_first_keys([OTHER, MAKES_SESSIONS])
    assert {key.key_id: key for key in await store.keys()} == {"k1": SIGNING, "1": MAC, "7": MAKES_SESSIONS}


async def test_of_two_stores_that_start_together_one_wins(open_sqlite: Callable[[], SqlStore]) -> None:
    """Both stores of one file end up with the same keys, those of one of them."""
    one, other = open_sqlite(), open_sqlite()
    await asyncio.gather(one.add_first_keys([SIGNING]), other.add_first_keys([OTHER]))
    keys = await one.keys()
    assert keys in ([SIGNING], [OTHER])
    assert await other.keys() == keys


def changing(*keys: StoredKey) -> Unit[Sequence[StoredKey]]:
    """A unit that writes keys and answers what it has found."""
    told = LogEntry(EntryKind.KEYS_CHANGED, "", at=NOW, expires_at=NOW + DAY)
    return Unit(lambda rows: Effects(rows.keys(), keys=keys, log=(told,)), keys=True)


async def test_keys_are_changed_and_added(store: Store) -> None:
    """A decision sees all keys as they are, those of its own batch too, and what it writes replaces them."""
    await store.add_first_keys([SIGNING, MAC])
    retired = SIGNING.retired(NOW + 7)
    first, second = await asyncio.gather(store.commit(changing(retired)), store.commit(changing(OTHER)))
    assert first.outcome == [SIGNING, MAC]
    assert second.outcome == [retired, MAC]
    assert {key.key_id: key for key in await store.keys()} == {"k1": retired, "1": MAC, "k2": OTHER}


async def test_a_unit_that_asks_for_no_keys_gets_none(sqlite_store: SqlStore) -> None:
    """They are not read for every write."""
    await sqlite_store.add_first_keys([SIGNING])
    committed = await sqlite_store.commit(Unit(lambda rows: Effects(rows.keys())))
    assert committed.outcome == []


async def test_a_change_of_keys_is_in_the_view_and_told_before(store: Store) -> None:
    """Whoever has a view that knows of a change, meets keys that do."""
    await store.add_first_keys([SIGNING])
    told = Told()
    store.watch_keys(told)
    assert list((await store.view()).keys) == [SIGNING]
    revision = (await store.commit(changing(OTHER))).revision
    view = await store.view(min_revision=revision)
    assert list(view.keys) == list(told.keys[-1]) == [SIGNING, OTHER]


async def test_nothing_is_told_while_keys_stay(store: Store) -> None:
    """Other entries of the log do not have the keys read again."""
    await store.add_first_keys([SIGNING])
    told = Told()
    store.watch_keys(told)
    await store.view()
    before = len(told.keys)
    await store.commit(writing(log=(an_entry(),)))
    await store.view()
    assert len(told.keys) == before


async def test_a_view_waits_for_the_keys_that_it_knows_of(sqlite_store: SqlStore) -> None:
    """Meanwhile whoever permits staleness gets the view from before, which knows of nothing that is not in use."""
    await sqlite_store.add_first_keys([SIGNING])
    before = (await sqlite_store.view()).revision
    beginning, in_use = asyncio.Event(), asyncio.Event()

    async def take_a_while(_keys: Sequence[StoredKey]) -> None:
        beginning.set()
        await in_use.wait()

    sqlite_store.watch_keys(take_a_while)
    revision = (await sqlite_store.commit(changing(OTHER))).revision
    waiting = asyncio.create_task(sqlite_store.view(min_revision=revision))
    await beginning.wait()
    stale = await sqlite_store.view(max_staleness=60_000)
    assert (stale.revision, list(stale.keys)) == (before, [SIGNING])
    assert not waiting.done()
    in_use.set()
    assert list((await waiting).keys) == [SIGNING, OTHER]


async def test_another_store_is_told(open_sqlite: Callable[[], SqlStore]) -> None:
    """A node that has not changed the keys itself learns of it with its next view."""
    one, other = open_sqlite(), open_sqlite()
    await one.add_first_keys([SIGNING])
    told = Told()
    other.watch_keys(told)
    await other.view()
    await one.commit(changing(OTHER))
    await other.view()
    assert [list(keys) for keys in told.keys] == [[SIGNING], [SIGNING, OTHER]]


@pytest.mark.parametrize("kind", SHARED, ids=lambda kind: kind.name)
async def test_of_units_that_change_keys_at_once_each_sees_what_the_one_before_has_done(
    kind: Kind, path: Path, clock: FakeClock
) -> None:
    """On two nodes, round after round: no change is lost, and none is decided on keys that are not so any more."""
    one, other = kind.open(path, clock), kind.open(path, clock)
    try:
        await one.add_first_keys([SIGNING])

        def counting(rows: Rows) -> Effects[int]:
            (key,) = rows.keys()
            changed = replace(key, created_at=key.created_at + 1)
            return Effects(changed.created_at, keys=(changed,))

        async def count(store: Store) -> list[int]:
            return [(await store.commit(Unit(counting, keys=True))).outcome for _ in range(20)]

        outcomes = chain(*await asyncio.gather(count(one), count(other)))
        assert sorted(outcomes) == list(range(NOW + 1, NOW + 41))
    finally:
        await one.close()
        await other.close()
