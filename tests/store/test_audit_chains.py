"""The chains of the audit trail: whatever is changed or taken away is found, and nothing else."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.store.kinds import POSTGRES, SQLITE, Kind
from tests.store.samples import NOW, writing
from tests.store.tampering import look, numbers_end_at, tamper
from tests.store.test_audit import an_event, write
from tokensvc.domain.audit_verdict import AuditFlaw, AuditHead, AuditVerdict
from tokensvc.store import audit_check, schema
from tokensvc.store.audit_chain import link
from tokensvc.store.sql_store import SqlStore

Open = Callable[[], SqlStore]
EVENTS = 6
TEXTS = ("type", "caller", "client_id", "subject", "session_id", "reason", "ip", "details")
CHANGES = {
    **{name: f"{name} = {name} || ' '" for name in TEXTS},
    "sequence": "sequence = sequence + 1000",
    "at": "at = at + 1",
    "chain": "chain = chain + 1",
    "no chain": "chain = NULL",
    "position": "position = position + 1",
    "no position": "position = NULL",
    "no hash": "hash = NULL",
}


def other_hash(kind: Kind, column: str = "hash") -> str:
    """The change of a hash by a byte."""
    if kind is POSTGRES:
        return f"{column} = set_byte({column}, 31, (get_byte({column}, 31) + 1) % 256)"
    return f"{column} = CASE substr({column}, 1, 1) WHEN 'A' THEN 'B' ELSE 'A' END || substr({column}, 2)"


@pytest.fixture(params=[SQLITE, POSTGRES], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of store that can be tampered with."""
    return request.param


@pytest.fixture
async def open_store(kind: Kind, path: Path, clock: FakeClock) -> AsyncIterator[Open]:
    """Opens one more store on the same database at each call."""
    opened = []

    def open_once_more() -> SqlStore:
        store = kind.open(path, clock)
        assert isinstance(store, SqlStore)
        opened.append(store)
        return store

    yield open_once_more
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: Open) -> SqlStore:
    """A store with some events in it, written in batches of one and of several."""
    store = open_store()
    await write(store, *(an_event(subject=str(number), details={"n": number}) for number in range(1, EVENTS - 1)))
    await store.commit(writing(audit=tuple(an_event(subject=str(number)) for number in (EVENTS - 1, EVENTS))))
    return store


async def verdict(store: SqlStore, *expected: AuditHead, audit_before: int = 0) -> AuditVerdict:
    """What following the chains finds."""
    return await store.verify_audit(expected, audit_before)


async def flaws(store: SqlStore) -> list[AuditFlaw]:
    """Where the chains do not hold."""
    return list((await verdict(store)).flaws)


async def test_what_was_written_holds(store: SqlStore) -> None:
    """All events are in one chain, which ends with the last of them."""
    found = await verdict(store)
    assert (found.events, found.unchained, found.flaws) == (EVENTS, 0, [])
    assert [(head.chain, head.position, head.at) for head in found.heads] == [(1, EVENTS, NOW)]


def test_every_column_is_tried() -> None:
    """A column that is added must be covered by the hash, and by the test that follows."""
    assert {column.name for column in schema.audit_events.columns} <= {*CHANGES, "hash"}


@pytest.mark.parametrize("sequence", [1, 3, EVENTS], ids=["first", "middle", "last"])
@pytest.mark.parametrize("column", [*CHANGES, "hash"])
async def test_a_changed_column_is_found(store: SqlStore, kind: Kind, path: Path, column: str, sequence: int) -> None:
    """Whichever column of whichever event is changed by a byte, the chain does not hold there."""
    change = CHANGES.get(column) or other_hash(kind)
    tamper(kind, path, f"UPDATE audit_events SET {change} WHERE sequence = {sequence}")
    assert (1, sequence) in {(flaw.chain, flaw.position) for flaw in await flaws(store)}


@pytest.mark.parametrize("sequence", range(1, EVENTS + 1))
async def test_a_missing_event_is_found(store: SqlStore, kind: Kind, path: Path, sequence: int) -> None:
    """The first, the last, or one in between: its place is named, and the event that stands there instead."""
    tamper(kind, path, f"DELETE FROM audit_events WHERE sequence = {sequence}")
    next_one = sequence + 1 if sequence < EVENTS else 0
    assert [(flaw.position, flaw.sequence) for flaw in await flaws(store)] == [(sequence, next_one)]


async def test_a_trail_without_events_is_found(store: SqlStore, kind: Kind, path: Path) -> None:
    """Who deletes everything is found out too."""
    tamper(kind, path, "DELETE FROM audit_events")
    assert [(flaw.position, flaw.sequence) for flaw in await flaws(store)] == [(1, 0)]


async def test_swapped_events_are_found(store: SqlStore, kind: Kind, path: Path) -> None:
    """Two events that have exchanged their numbers are found at the first of the two places."""
    tamper(
        kind,
        path,
        "UPDATE audit_events SET sequence = 1000 WHERE sequence = 2",
        "UPDATE audit_events SET sequence = 2 WHERE sequence = 3",
        "UPDATE audit_events SET sequence = 3 WHERE sequence = 1000",
    )
    assert [(flaw.position, flaw.sequence) for flaw in await flaws(store)] == [(2, 2)]


async def test_an_event_that_was_put_in_is_found(store: SqlStore, kind: Kind, path: Path) -> None:
    """A copy of an event: once more, behind the end, and of a chain that nobody has begun."""
    columns = "at, type, caller, client_id, subject, session_id, reason, ip, details, hash"
    copy = f"INSERT INTO audit_events (sequence, chain, position, {columns}) SELECT"
    for place in ("1, position", f"1, {EVENTS + 1}", "77, 1"):
        tamper(kind, path, f"{copy} 100, {place}, {columns} FROM audit_events WHERE sequence = 2")
        assert [flaw.sequence for flaw in await flaws(store)] == [100]
        tamper(kind, path, "DELETE FROM audit_events WHERE sequence = 100")


@pytest.mark.parametrize("column", [column.name for column in schema.audit_events.columns][1:])
@pytest.mark.parametrize("value", ["'x'", "x'00'", "1.5"])
@pytest.mark.parametrize("kind", [SQLITE], ids=["sqlite"], indirect=True)
async def test_values_of_other_types_are_found(
    store: SqlStore, kind: Kind, path: Path, column: str, value: str
) -> None:
    """SQLite lets any column have any value: that is a change as any other."""
    tamper(kind, path, f"UPDATE audit_events SET {column} = {value} WHERE sequence = 2")
    assert (1, 2) in {(flaw.chain, flaw.position) for flaw in await flaws(store)}


@pytest.mark.parametrize("column", ["base_hash", "sealed_hash"])
@pytest.mark.parametrize("kind", [SQLITE], ids=["sqlite"], indirect=True)
async def test_a_hash_of_another_type_in_the_row_of_a_chain_ends_no_check(
    store: SqlStore, kind: Kind, path: Path, column: str
) -> None:
    """It is a flaw of that chain, and whoever prunes goes on with the others."""
    tamper(kind, path, f"UPDATE audit_chains SET {column} = x'00' WHERE chain = 1")
    assert [flaw.chain for flaw in await flaws(store)] == [1]
    await store.prune(NOW, 100, audit_before=NOW + 1)


def test_the_hash_is_what_the_documentation_says() -> None:
    """SHA-256 over the hash before, in base64url, and a JSON array: others can compute it too.

    So it is for every character: what an earlier version has written, with another library, still holds.
    """
    characters = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    row = (9, NOW, "type", 'ca"ller', "", "sübject\\", "", characters, "::1", '{"n":1}')
    array = json.dumps([3, 7, *row], separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(("B" * 43 + array).encode()).digest()
    assert link("B" * 43, 3, 7, row) == base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def test_a_chain_that_was_taken_away_is_found(store: SqlStore, kind: Kind, path: Path) -> None:
    """Its events are there without it."""
    tamper(kind, path, "DELETE FROM audit_chains")
    assert [flaw.chain for flaw in await flaws(store)] == [1]


@pytest.mark.parametrize("column", ["base_position", "base_hash", "head_position", "sealed_hash"])
async def test_a_changed_place_of_a_chain_is_found(store: SqlStore, kind: Kind, path: Path, column: str) -> None:
    """Where a chain begins and ends, and the hash that is kept of its end before the last batch."""
    change = other_hash(kind, column) if column.endswith("hash") else f"{column} = {column} + 1"
    tamper(kind, path, f"UPDATE audit_chains SET {change}")
    assert [flaw.chain for flaw in await flaws(store)] == [1]


async def test_each_writer_has_a_chain_of_its_own(store: SqlStore, open_store: Open, kind: Kind, path: Path) -> None:
    """What two stores write by turns is in two chains, and a flaw in one leaves the other as it is."""
    other = open_store()
    for number in range(3):
        await write(store, an_event(str(number)))
        await write(other, an_event(str(number)))
    found = await verdict(store)
    assert [(head.chain, head.position) for head in found.heads] == [(1, EVENTS + 3), (2, 3)]
    tamper(kind, path, "DELETE FROM audit_events WHERE sequence = 1")
    found = await verdict(store)
    assert [flaw.chain for flaw in found.flaws] == [1]
    assert [head.chain for head in found.heads] == [2]


async def test_a_writer_goes_on_only_from_what_the_database_has(store: SqlStore, kind: Kind, path: Path) -> None:
    """When the end is not where the writer has left it, as after a lost commit, it begins another chain."""
    tamper(
        kind,
        path,
        f"DELETE FROM audit_events WHERE sequence = {EVENTS}",
        f"UPDATE audit_chains SET head_position = {EVENTS - 1}",
    )
    numbers_end_at(kind, path, EVENTS - 1)
    await write(store, an_event())
    found = await verdict(store)
    assert [(head.chain, head.position) for head in found.heads] == [(1, EVENTS - 1), (2, 1)]
    assert found.flaws == []


async def test_a_batch_that_fails_leaves_the_chain_as_it_was(store: SqlStore) -> None:
    """After a unit that has failed the next events go on in the same chain."""
    with pytest.raises(TypeError):
        await store.commit(writing(audit=(an_event(subject="\ud800"),)))
    await write(store, an_event())
    found = await verdict(store)
    assert ([(head.chain, head.position) for head in found.heads], found.flaws) == ([(1, EVENTS + 1)], [])


async def test_pruning_takes_the_beginning_of_a_chain(store: SqlStore, kind: Kind, path: Path) -> None:
    """What is left holds, and an event that is missing at the new beginning is found."""
    await write(store, an_event(at=NOW + 10))
    assert await store.prune(NOW, 4, audit_before=NOW + 1) == {"audit_events": 4}
    assert await flaws(store) == []
    assert await store.prune(NOW, 100, audit_before=NOW + 1) == {"audit_events": 2}
    assert ((await verdict(store)).events, await flaws(store)) == (1, [])
    await write(store, an_event(at=NOW + 10))
    tamper(kind, path, f"DELETE FROM audit_events WHERE sequence = {EVENTS + 1}")
    assert [(flaw.position, flaw.sequence) for flaw in await flaws(store)] == [(EVENTS + 1, EVENTS + 2)]


async def test_a_chain_that_is_pruned_to_its_end_goes(store: SqlStore, kind: Kind, path: Path) -> None:
    """Nothing is left of it, and its writer begins another one."""
    await store.prune(NOW, 100, audit_before=NOW + 1)
    assert look(kind, path, "SELECT * FROM audit_chains") == []
    await write(store, an_event(), an_event())
    found = await verdict(store)
    assert ([(head.chain, head.position) for head in found.heads], found.flaws) == ([(2, 2)], [])


async def test_events_in_no_chain_are_pruned_by_their_age_alone(store: SqlStore, kind: Kind, path: Path) -> None:
    """There is nothing that they could be held against."""
    tamper(kind, path, "UPDATE audit_events SET chain = NULL, position = NULL, hash = NULL", "DELETE FROM audit_chains")
    assert await store.prune(NOW, 100, audit_before=NOW + 1) == {"audit_events": EVENTS}


async def test_what_is_written_and_pruned_meanwhile_is_no_flaw(
    store: SqlStore, open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the chains are followed page by page, events come and go, and a chain begins and another ends."""
    monkeypatch.setattr(audit_check, "_PAGE", 2)
    await write(open_store(), an_event())
    check = audit_check.AuditCheck(store._database, (), NOW + 1)
    take = check._take

    async def take_slowly(row: object) -> None:
        await take(row)
        await write(open_store() if check._events == 1 else store, an_event(at=NOW + 10))
        if check._events == 2:
            await store.prune(NOW, 5, audit_before=NOW + 1)

    monkeypatch.setattr(check, "_take", take_slowly)
    assert (await check.run()).flaws == []
    await store.prune(NOW, 100, audit_before=NOW + 1)
    assert (await verdict(store, audit_before=NOW + 1)).flaws == []


async def test_heads_that_were_kept_are_gone_through(store: SqlStore, open_store: Open) -> None:
    """A trail that has grown and was pruned goes on from the ends that were kept elsewhere."""
    heads = (await verdict(store)).heads
    await write(store, an_event(), an_event(at=NOW + 10))
    await write(open_store(), an_event())
    assert (await verdict(store, *heads)).flaws == []
    await store.prune(NOW, EVENTS, audit_before=NOW + 1)
    assert (await verdict(store, *heads, audit_before=NOW + 1)).flaws == []
    await store.prune(NOW, 100, audit_before=NOW + 1)
    assert (await verdict(store, *heads, audit_before=NOW + 1)).flaws == []


async def test_a_trail_that_was_made_anew_does_not_go_through_the_heads(
    store: SqlStore, open_store: Open, kind: Kind, path: Path
) -> None:
    """Who makes a whole new chain, which holds in itself, is found out by the end that was kept."""
    heads = (await verdict(store)).heads
    tamper(kind, path, "DELETE FROM audit_events", "DELETE FROM audit_chains")
    await write(open_store(), *(an_event() for _ in range(EVENTS + 1)))
    assert (await verdict(store)).flaws == []
    tamper(kind, path, "UPDATE audit_events SET chain = 1", "UPDATE audit_chains SET chain = 1")
    assert [flaw.position for flaw in (await verdict(store, *heads)).flaws] == [EVENTS]


async def test_a_trail_that_was_cut_does_not_reach_the_heads(store: SqlStore, kind: Kind, path: Path) -> None:
    """Events that were taken away from the end, the chain's row put right with them."""
    heads = (await verdict(store)).heads
    cut = "UPDATE audit_chains SET head_position = 3, sealed_position = 0, sealed_hash = base_hash"
    tamper(kind, path, "DELETE FROM audit_events WHERE sequence > 3", cut)
    numbers_end_at(kind, path, 3)
    assert (await verdict(store)).flaws == []
    assert [flaw.position for flaw in (await verdict(store, *heads)).flaws] == [4]


async def test_events_that_went_before_their_time_are_missed(store: SqlStore, kind: Kind, path: Path) -> None:
    """A chain that was taken away whole, or pruned too early, lacks the end that was kept."""
    heads = (await verdict(store)).heads
    await store.prune(NOW, 100, audit_before=NOW + 1)
    assert (await verdict(store)).flaws == []
    assert [flaw.chain for flaw in (await verdict(store, *heads, audit_before=NOW)).flaws] == [1]
    changed = [replace(head, hash="A" * 43) for head in heads]
    await write(store, an_event())
    assert len((await verdict(store, *changed)).flaws) == 1
