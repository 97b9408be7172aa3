"""What a write leaves as it was, shown by the whole contents of the database before and after."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.store.kinds import Kind, only
from tests.store.samples import NOW, a_session, an_entry, rotating, sid, stored, writing
from tokensvc.domain.client import Client
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.keys import KeyPurpose, StoredKey
from tokensvc.domain.revocation import EntryKind
from tokensvc.ports import SessionFilter, Store, Unit
from tokensvc.store import schema

AUDIT = (AuditEvent("happened", at=NOW),)
Rows = dict[str, list[tuple[Any, ...]]]


pytestmark = only("has_log_rows")


@pytest.fixture
async def store(store: Store) -> Store:
    """A store with several rows in every table."""
    names = ["session", *(f"other-{place}" for place in range(9))]
    subjects = ("ada", "bob", "carol")
    units = [writing(session=a_session(name, subject=subjects[place % 3])) for place, name in enumerate(names)]
    units += [rotating(name) for name in names[1::2]]
    for name in ("bff", "phone", "tablet"):
        entries = (an_entry(EntryKind.CLIENT_CHANGED, name), an_entry(key=f"not {name}"))
        units.append(writing(client=Client(name), log=entries, audit=AUDIT))
    for unit in units:
        await store.commit(unit)
    keys = [StoredKey(str(place), KeyPurpose.SIGNING, "", NOW, NOW, b"") for place in range(3)]
    await store.add_first_keys(keys)
    return store


def changes(before: Rows, after: Rows) -> dict[str, tuple[int, int]]:
    """Of each table that differs, how many rows have gone and how many have come."""
    return {
        name: (len(set(before[name]) - set(after[name])), len(set(after[name]) - set(before[name])))
        for name in before
        if before[name] != after[name]
    }


async def test_a_refresh_changes_the_state_of_one_session(store: Store, kind: Kind, path: Path) -> None:
    """Besides what was asked for nothing is touched: no other row, and no other column of the row."""
    before = kind.dump(path)
    await store.commit(rotating())
    after = kind.dump(path)
    assert changes(before, after) == {"sessions": (1, 1)}
    (old,) = set(before["sessions"]) - set(after["sessions"])
    (new,) = set(after["sessions"]) - set(before["sessions"])
    columns = [column.name for column in schema.sessions.columns]
    touched = {name for name, was, is_now in zip(columns, old, new, strict=True) if was != is_now}
    assert touched == {"generation", "rotated_at", "used_at"}
    assert (await stored(store)).generation == 1


async def test_a_change_of_a_session_writes_its_state_alone(store: Store, kind: Kind, path: Path) -> None:
    """What Issue has fixed stays, even if a decision came with another grant."""
    before = await stored(store)
    other = a_session(subject="mallory", scopes=("everything",), expires_at=1, started_at=1)
    changed = replace(other, generation=9, rotated_at=8, used_at=7, revoked_at=6, revoke_reason="5")
    await store.commit(Unit(writing(session=changed).decide, session_id=sid()))
    assert await stored(store) == replace(changed, grant=before.grant)


async def test_a_refresh_in_a_batch_changes_the_sessions_of_the_batch(store: Store, kind: Kind, path: Path) -> None:
    """Of ten sessions the two that are rotated together change, each into its own next state."""
    before = kind.dump(path)
    await asyncio.gather(store.commit(rotating("session")), store.commit(rotating("other-0")))
    assert changes(before, kind.dump(path)) == {"sessions": (2, 2)}
    assert [(await stored(store, name)).generation for name in ("session", "other-0")] == [1, 2]


async def test_a_revoked_session_adds_one_line_to_the_log(store: Store, kind: Kind, path: Path) -> None:
    """Ending a session changes its row and the head, and adds a log entry and an audit event in its chain."""
    before = kind.dump(path)
    ended = replace(await stored(store), revoked_at=NOW, revoke_reason="lost")
    unit = writing(session=ended, log=(an_entry(EntryKind.SESSION, sid()),), audit=AUDIT)
    await store.commit(Unit(unit.decide, session_id=sid()))
    expected = {"sessions": (1, 1), "revocation_log": (0, 1), "log_head": (1, 1)}
    expected |= {"audit_events": (0, 1), "audit_chains": (1, 1)}
    assert changes(before, kind.dump(path)) == expected


async def test_a_barrier_touches_no_session(store: Store, kind: Kind, path: Path) -> None:
    """Ending a subject with many sessions writes one entry and one barrier."""
    before = kind.dump(path)
    await store.commit(writing(log=(an_entry(),)))
    assert changes(before, kind.dump(path)) == {"revocation_log": (0, 1), "log_head": (1, 1), "barriers": (0, 1)}


async def test_a_barrier_that_is_raised_again_leaves_the_others(store: Store, kind: Kind, path: Path) -> None:
    """Of several barriers the one that is named changes."""
    before = kind.dump(path)
    await store.commit(writing(log=(an_entry(key="not bff"),)))
    assert changes(before, kind.dump(path)) == {"revocation_log": (0, 1), "log_head": (1, 1), "barriers": (1, 1)}


async def test_a_client_that_is_changed_leaves_the_others(store: Store, kind: Kind, path: Path) -> None:
    """Of several clients the one that is named changes."""
    before = kind.dump(path)
    await store.commit(writing(client=Client("bff", name="new")))
    after = kind.dump(path)
    assert changes(before, after) == {"clients": (1, 1)}
    assert [row[0] for row in after["clients"]] == ["bff", "phone", "tablet"]


async def test_a_thousand_refreshes_leave_as_many_rows(store: Store, kind: Kind, path: Path) -> None:
    """However often a session is rotated, no table grows."""
    before = {name: len(rows) for name, rows in kind.dump(path).items()}
    await asyncio.gather(*(store.commit(rotating()) for _ in range(1000)))
    assert {name: len(rows) for name, rows in kind.dump(path).items()} == before


READS: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "view": lambda store: store.view(),
    "sessions_by_id": lambda store: store.sessions_by_id([sid()]),
    "sessions": lambda store: store.sessions(SessionFilter(subject="ada")),
    "keys": lambda store: store.keys(),
    "prune": lambda store: store.prune(NOW, 100),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_what_only_looks_changes_nothing(
    store: Store, kind: Kind, path: Path, read: Callable[[Store], Awaitable[Any]]
) -> None:
    """Reading, and pruning where nothing is old enough, leave every row as it was."""
    before = kind.dump(path)
    await read(store)
    assert kind.dump(path) == before
