"""Pruning the audit trail: what was tampered with is not deleted, and no chain holds up another."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.fakes import FakeClock
from tests.store.kinds import Kind, only
from tests.store.samples import NOW
from tests.store.tampering import look, tamper
from tests.store.test_audit import an_event, write
from tokensvc.domain.audit_verdict import AuditFlaw
from tokensvc.store import audit_pruning
from tokensvc.store.sql_store import SqlStore

YEAR = 365 * 86_400_000
BEFORE = NOW + 1  # the moment before which events are pruned here

pytestmark = only("has_log_rows")


@pytest.fixture
async def stores(kind: Kind, path: Path, clock: FakeClock) -> AsyncIterator[list[SqlStore]]:
    """Two stores on one database, each with a chain of its own."""
    opened = [kind.open(path, clock) for _ in range(2)]
    yield [store for store in opened if isinstance(store, SqlStore)]
    for store in opened:
        await store.close()


def left(kind: Kind, path: Path) -> list[int]:
    """The numbers of the events that are left."""
    return [number for (number,) in look(kind, path, "SELECT sequence FROM audit_events ORDER BY sequence")]


async def flaws(store: SqlStore) -> list[AuditFlaw]:
    """Where the chains do not hold."""
    return list((await store.verify_audit([], BEFORE)).flaws)


@pytest.mark.parametrize("change", ["at = 1", "subject = 'nobody'", "position = position + 1"])
async def test_events_that_were_changed_are_not_pruned(
    stores: list[SqlStore], kind: Kind, path: Path, change: str
) -> None:
    """Who gives young events an old time does not have them deleted: they stay to be found, and it is logged once."""
    await write(stores[0], *(an_event(at=NOW + YEAR) for _ in range(4)))
    await write(stores[1], an_event(at=1), an_event(at=2))
    tamper(kind, path, f"UPDATE audit_events SET at = 1, {change} WHERE sequence <= 4".replace("at = 1, at", "at"))
    with capture_logs() as logs:
        assert await stores[1].prune(NOW, 100, audit_before=BEFORE) == {"audit_events": 2}
    assert [(entry["log_level"], entry["chain"], entry["sequence"]) for entry in logs] == [("error", 1, 1)]
    assert left(kind, path) == [1, 2, 3, 4]
    assert [(flaw.chain, flaw.position) for flaw in await flaws(stores[0])] == [(1, 1)]


async def test_a_chain_is_pruned_up_to_what_was_changed(stores: list[SqlStore], kind: Kind, path: Path) -> None:
    """What comes before goes as ever, and the flaw stays where it was."""
    await write(stores[0], *(an_event(str(number)) for number in range(1, 7)))
    tamper(kind, path, "UPDATE audit_events SET reason = 'other' WHERE sequence = 3")
    for _ in range(2):
        await stores[0].prune(NOW, 100, audit_before=BEFORE)
        assert left(kind, path) == [3, 4, 5, 6]
        assert [(flaw.position, flaw.sequence) for flaw in await flaws(stores[0])] == [(3, 3)]


async def test_events_of_no_known_chain_are_not_pruned(stores: list[SqlStore], kind: Kind, path: Path) -> None:
    """Nothing says that they are as they were written."""
    await write(stores[0], an_event())
    tamper(kind, path, "DELETE FROM audit_chains")
    assert await stores[0].prune(NOW, 100, audit_before=BEFORE) == {}
    assert [flaw.chain for flaw in await flaws(stores[0])] == [1]


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_an_event_from_the_future_holds_up_its_own_chain_alone(
    stores: list[SqlStore], kind: Kind, path: Path, limit: int
) -> None:
    """However many old events wait behind it, those of other chains go, in batches of any size."""
    await write(stores[0], an_event(at=NOW + YEAR), *map(an_event, "abcdefg"))
    await write(stores[1], *map(an_event, "abcd"))
    while await stores[0].prune(NOW, limit, audit_before=BEFORE):
        pass
    assert left(kind, path) == [*range(1, 9)]
    assert await flaws(stores[0]) == []


async def test_a_large_batch_is_taken_in_parts(
    stores: list[SqlStore], kind: Kind, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that few events are in memory at once; it ends where the young ones begin."""
    monkeypatch.setattr(audit_pruning, "_PART", 2)
    await write(stores[0], *map(an_event, "abcde"), an_event(at=NOW + YEAR))
    assert await stores[0].prune(NOW, 100, audit_before=BEFORE) == {"audit_events": 5}
    assert left(kind, path) == [6]


async def test_a_look_for_old_events_has_an_end(
    stores: list[SqlStore], kind: Kind, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where very many events have to stay, what lies further behind them waits."""
    monkeypatch.setattr(audit_pruning, "_FURTHEST", 6)
    await write(stores[0], an_event(at=NOW + YEAR), *map(an_event, "abcd"))
    await write(stores[1], *map(an_event, "abcd"))
    assert await stores[0].prune(NOW, 2, audit_before=BEFORE) == {"audit_events": 1}
    assert left(kind, path) == [1, 2, 3, 4, 5, 7, 8, 9]


async def test_two_that_prune_at_once_disturb_each_other_as_little_as_anybody(
    stores: list[SqlStore], kind: Kind, path: Path
) -> None:
    """Every event goes once, and none is taken for one that was changed."""
    for store in stores:
        await write(store, *map(an_event, "abcdefghij"))
    with capture_logs() as logs:
        pruned = await asyncio.gather(*(store.prune(NOW, 7, audit_before=BEFORE) for store in stores * 3))
    assert [entry for entry in logs if entry["log_level"] == "error"] == []
    assert sum(found["audit_events"] for found in pruned) == 20 - len(left(kind, path))
    assert await flaws(stores[0]) == []


async def test_many_young_events_in_front_hold_up_their_own_chain_alone(
    stores: list[SqlStore], kind: Kind, path: Path
) -> None:
    """While a clock was ahead a batch of them was written: what lies behind it is looked at too."""
    await write(stores[0], *(an_event(at=NOW + YEAR) for _ in range(5)))
    await write(stores[1], *map(an_event, "abcd"))
    assert await stores[0].prune(NOW, 3, audit_before=BEFORE) == {"audit_events": 3}
    assert left(kind, path) == [1, 2, 3, 4, 5, 9]
