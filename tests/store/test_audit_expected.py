"""What only comes out when the trail is held against what was kept of it, or against its own numbers."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.store.kinds import SQLITE, Kind, only
from tests.store.samples import NOW
from tests.store.tampering import tamper
from tests.store.test_audit import an_event, write
from tokensvc.domain.audit_verdict import NO_CHAIN, AuditFlaw, AuditHead
from tokensvc.domain.policy import DAY, HOUR
from tokensvc.store.sql_store import SqlStore

PER_DAY = 3
DAYS = 4

pytestmark = only("has_log_rows")


@pytest.fixture
async def stores(kind: Kind, path: Path, clock: FakeClock) -> AsyncIterator[list[SqlStore]]:
    """Three stores on one database; the first one has written some events on each of a few days."""
    opened = [kind.open(path, clock) for _ in range(3)]
    for day in range(DAYS):
        await write(opened[0], *(an_event(at=NOW + day * DAY + number) for number in range(PER_DAY)))
    yield [store for store in opened if isinstance(store, SqlStore)]
    for store in opened:
        await store.close()


@pytest.fixture
def store(stores: list[SqlStore]) -> SqlStore:
    """The first of them."""
    return stores[0]


def cut_beginning(kind: Kind, path: Path, position: int) -> None:
    """Delete the events up to `position` as pruning would: the rest of the chain holds."""
    base = f"(SELECT hash FROM audit_events WHERE position = {position})"
    tamper(
        kind,
        path,
        f"UPDATE audit_chains SET base_position = {position}, base_hash = {base}",
        f"DELETE FROM audit_events WHERE position <= {position}",
    )


async def flaws(store: SqlStore, *expected: AuditHead, audit_before: int = 0) -> list[AuditFlaw]:
    """What does not hold."""
    return list((await store.verify_audit(expected, audit_before)).flaws)


async def heads(store: SqlStore) -> list[AuditHead]:
    """The ends of the chains, and how many events are in none: what is kept elsewhere."""
    verdict = await store.verify_audit([], 0)
    return [*verdict.heads, AuditHead(NO_CHAIN, verdict.unchained, "", 0)]


async def test_the_first_event_of_each_day_is_kept_with_the_end(store: SqlStore) -> None:
    """With its position and its time, from which it follows when it may be pruned."""
    head = (await heads(store))[0]
    assert list(head.days) == [(1 + PER_DAY * day, NOW + DAY * day) for day in range(DAYS)]
    assert (head.position, head.at) == (PER_DAY * DAYS, NOW + DAY * (DAYS - 1) + PER_DAY - 1)


@pytest.mark.parametrize("position", [1, PER_DAY, PER_DAY + 1, PER_DAY * DAYS])
async def test_a_beginning_that_was_deleted_is_missed(store: SqlStore, kind: Kind, path: Path, position: int) -> None:
    """Its events were younger than those that pruning takes, though the rest of the chain holds, or nothing is left."""
    kept = await heads(store)
    cut_beginning(kind, path, position)
    assert await flaws(store, audit_before=NOW) == []
    assert [(flaw.chain, flaw.position) for flaw in await flaws(store, *kept, audit_before=NOW)] == [(1, 1)]


@pytest.mark.parametrize("days", [1, 2, DAYS - 1])
async def test_what_was_pruned_in_time_is_not_missed_and_a_day_more_is(
    store: SqlStore, kind: Kind, path: Path, days: int
) -> None:
    """Events may go when they are old enough, and no event of the next day with them."""
    kept = await heads(store)
    before = NOW + days * DAY
    await store.prune(NOW, 100, audit_before=before)
    assert await flaws(store, *kept, audit_before=before) == []
    cut_beginning(kind, path, days * PER_DAY + 1)
    found = await flaws(store, *kept, audit_before=before)
    assert [(flaw.chain, flaw.position) for flaw in found] == [(1, days * PER_DAY + 1)]


async def test_a_chain_that_is_gone_is_missed_for_its_youngest_event(store: SqlStore, kind: Kind, path: Path) -> None:
    """As long as that one could not have been pruned."""
    kept = await heads(store)
    tamper(kind, path, "DELETE FROM audit_events", "DELETE FROM audit_chains")
    assert len(await flaws(store, *kept, audit_before=kept[0].at)) == 1
    assert await flaws(store, *kept, audit_before=kept[0].at + 1) == []


async def test_ends_of_the_version_before_are_gone_through(store: SqlStore, kind: Kind, path: Path) -> None:
    """They have no days: what they say of the end holds all the same."""
    kept = [replace(head, days=()) for head in await heads(store)]
    assert await flaws(store, *kept) == []
    cut_beginning(kind, path, 1)
    assert await flaws(store, *kept) == []
    cut_beginning(kind, path, PER_DAY * DAYS)
    assert len(await flaws(store, *kept)) == 1


def put_in(kind: Kind, path: Path, columns: str = "", values: str = "") -> None:
    """Write an event to no chain."""
    texts = "type, caller, client_id, subject, session_id, reason, ip, details"
    words = f"{NOW}, 'forged', '', '', 'ada', '', '', '', '{{}}'"
    tamper(kind, path, f"INSERT INTO audit_events ({columns} at, {texts}) VALUES ({values} {words})")


async def test_an_event_in_no_chain_is_found(store: SqlStore, kind: Kind, path: Path) -> None:
    """Behind one that is in a chain there should be none; it is named, with and without what was kept."""
    kept = await heads(store)
    put_in(kind, path, "sequence,", "100,")
    for expected in ([], kept):
        found = await flaws(store, *expected)
        assert [(flaw.chain, flaw.position, flaw.sequence) for flaw in found] == [(NO_CHAIN, 1, 100)]


async def test_events_in_no_chain_are_as_many_as_were_kept(store: SqlStore, kind: Kind, path: Path) -> None:
    """Those from before there were chains, with lower numbers than all others, are fine; one more is not."""
    await store.prune(NOW, 100, audit_before=NOW + DAY)
    put_in(kind, path, "sequence,", "1,")
    assert await flaws(store, audit_before=NOW + DAY) == []
    kept = await heads(store)
    assert await flaws(store, *kept, audit_before=NOW + DAY) == []
    put_in(kind, path, "sequence,", "2,")
    assert await flaws(store, audit_before=NOW + DAY) == []
    assert [flaw.chain for flaw in await flaws(store, *kept, audit_before=NOW + DAY)] == [NO_CHAIN]


TAKE_AWAY = ("DELETE FROM audit_events WHERE chain = 2", "DELETE FROM audit_chains WHERE chain = 2")


@pytest.mark.parametrize("others", [0, 2], ids=["newest", "in the middle"])
async def test_a_whole_chain_that_was_taken_away_leaves_a_gap(
    stores: list[SqlStore], kind: Kind, path: Path, others: int
) -> None:
    """Its numbers are missing: SQLite gives them without a gap. On PostgreSQL they tell nothing."""
    at = NOW + DAY * DAYS
    await write(stores[1], an_event(at=at), an_event(at=at))
    await write(stores[0], *(an_event(at=at) for _ in range(others)))
    tamper(kind, path, *TAKE_AWAY)
    found = [(flaw.chain, flaw.sequence) for flaw in await flaws(stores[0])]
    assert found == ([(NO_CHAIN, PER_DAY * DAYS + 1)] if kind is SQLITE else [])


async def test_gaps_that_pruning_has_left_are_no_flaw(stores: list[SqlStore]) -> None:
    """Not between events of about the same time, and not behind one whose clock was ahead."""
    last = NOW + DAY * DAYS
    await write(stores[1], an_event(at=last + HOUR))
    await write(stores[0], *(an_event(at=last) for _ in range(3)))
    await write(stores[2], an_event(at=last + 100 * DAY))
    await write(stores[0], *(an_event(at=last) for _ in range(3)))
    await write(stores[1], an_event(at=last + HOUR))
    await stores[0].prune(NOW, 100, audit_before=last + 1)
    verdict = await stores[0].verify_audit([], last + 1)
    assert (verdict.events, verdict.flaws) == (3, [])


async def test_gaps_of_a_shorter_retention_are_no_flaw(stores: list[SqlStore]) -> None:
    """Where the trail begins, it begins for every chain a little earlier or later."""
    last = NOW + DAY * DAYS
    for at in (last + 5, last + 6):
        await write(stores[1], an_event(at=at))
        await write(stores[0], an_event(at=last))
    await stores[0].prune(NOW, 100, audit_before=last + 1)
    verdict = await stores[0].verify_audit([], 0)
    assert (verdict.events, verdict.flaws) == (2, [])
