"""Leases: one node at a time does what is to be done once, on every kind of store."""

import asyncio
from pathlib import Path

from tests.fakes import FakeClock
from tests.postgres import psql
from tests.store.kinds import ON_POSTGRES, Kind, only, postgres_url
from tests.store.samples import NOW
from tokensvc.ports import Store

SPAN = 1000


async def test_a_lease_is_one_holders_at_a_time(store: Store) -> None:
    """While somebody has it nobody else gets it, up to the last millisecond."""
    assert await store.hold_lease("duty", "one", NOW, SPAN)
    assert not await store.hold_lease("duty", "other", NOW, SPAN)
    assert not await store.hold_lease("duty", "other", NOW + SPAN - 1, SPAN)


async def test_a_lease_that_has_expired_is_taken(store: Store) -> None:
    """Whose holder has gone without a word is another's after its span, and not the first one's any more."""
    await store.hold_lease("duty", "one", NOW, SPAN)
    assert await store.hold_lease("duty", "other", NOW + SPAN, SPAN)
    assert not await store.hold_lease("duty", "one", NOW + SPAN, SPAN)


async def test_a_lease_that_is_renewed_goes_on(store: Store) -> None:
    """The span counts from the last renewal."""
    await store.hold_lease("duty", "one", NOW, SPAN)
    assert await store.hold_lease("duty", "one", NOW + 900, SPAN)
    assert not await store.hold_lease("duty", "other", NOW + SPAN, SPAN)


async def test_a_lease_that_is_given_up_is_free_at_once(store: Store) -> None:
    """A node that stops makes way for the next one."""
    await store.hold_lease("duty", "one", NOW, SPAN)
    await store.release_lease("duty", "one")
    assert await store.hold_lease("duty", "other", NOW, SPAN)


async def test_only_its_holder_can_give_a_lease_up(store: Store) -> None:
    """A node that has lost its lease, or never had one, takes it from nobody when it stops."""
    await store.release_lease("duty", "other")
    await store.hold_lease("duty", "one", NOW, SPAN)
    await store.release_lease("duty", "other")
    assert not await store.hold_lease("duty", "other", NOW, SPAN)


async def test_leases_are_apart(store: Store) -> None:
    """Two duties may be two nodes'."""
    assert await store.hold_lease("duty", "one", NOW, SPAN)
    assert await store.hold_lease("other duty", "other", NOW, SPAN)
    await store.release_lease("duty", "one")
    assert not await store.hold_lease("other duty", "one", NOW, SPAN)


@only("has_log_rows")
async def test_when_it_was_renewed_outlives_a_lease(store: Store, kind: Kind, path: Path) -> None:
    """Copies of the database are measured by it, also between two holders."""
    await store.hold_lease("duty", "one", NOW, SPAN)
    await store.release_lease("duty", "one")
    assert kind.dump(path)["leases"] == [("duty", "one", 0, NOW)]


@only("survives_restart")
async def test_of_several_nodes_at_once_one_gets_it(kind: Kind, path: Path, clock: FakeClock) -> None:
    """Four nodes reach for a lease in the same moment, thirty times, half of them when it has just expired."""
    stores = [kind.open(path, clock) for _ in range(4)]
    for turn in range(30):
        name, now = f"duty {turn // 2}", NOW + turn % 2 * SPAN
        holders = [f"{place} at {now}" for place in range(4)]
        taken = await asyncio.gather(
            *(store.hold_lease(name, holder, now, SPAN) for store, holder in zip(stores, holders, strict=True))
        )
        assert sorted(taken) == [False, False, False, True]
    for store in stores:
        await store.close()


@ON_POSTGRES
async def test_who_does_not_get_a_lease_writes_nothing(store: Store, path: Path) -> None:
    """The nodes that wait cost no write: the row is neither changed nor locked."""
    await store.hold_lease("duty", "one", NOW, SPAN)
    written_by = "SELECT xmin, xmax FROM leases"
    before = psql(postgres_url(path), written_by)
    for _ in range(5):
        assert not await store.hold_lease("duty", "other", NOW, SPAN)
    assert psql(postgres_url(path), written_by) == before
