"""Reading the audit trail, on every kind of store."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.store.kinds import SQLITE, Kind, only
from tests.store.samples import NOW, writing
from tests.store.tampering import tamper
from tokensvc.domain.effects import AuditEvent
from tokensvc.ports import AuditFilter, AuditPage, AuditQuery, Store
from tokensvc.store import audit_reading


def an_event(name: str = "happened", at: int = NOW, **fields: Any) -> AuditEvent:
    """An event."""
    return AuditEvent(name, at, **fields)


async def write(store: Store, *events: AuditEvent) -> None:
    """Write `events`, each in a transaction of its own."""
    for event in events:
        await store.commit(writing(audit=(event,)))


def names(page: AuditPage) -> list[str]:
    """The types of the events of a page."""
    return [record.event.type for record in page.records]


async def test_an_event_is_read_as_it_was_written(store: Store) -> None:
    """Every field of an event comes back, with its number and its hash."""
    event = AuditEvent("type", NOW, "caller", "client", "subject", "session", "reason", "::1", {"text": "ä", "n": 7})
    await write(store, event)
    (record,) = (await store.audit_events(AuditQuery())).records
    assert (record.sequence, record.event, len(record.chain_hash)) == (1, event, 32)


async def test_events_come_in_the_order_of_their_numbers(store: Store) -> None:
    """Oldest or newest first, those of one batch too."""
    await asyncio.gather(*(store.commit(writing(audit=(an_event(f"{n}a"), an_event(f"{n}b")))) for n in range(3)))
    expected = ["0a", "0b", "1a", "1b", "2a", "2b"]
    assert names(await store.audit_events(AuditQuery())) == expected
    assert names(await store.audit_events(AuditQuery(newest_first=True))) == expected[::-1]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (AuditFilter(), {"one", "two", "three"}),
        (AuditFilter(subject="ada"), {"one", "two"}),
        (AuditFilter(client_id="bff"), {"one", "three"}),
        (AuditFilter(session_id="s1"), {"two"}),
        (AuditFilter(types=("one", "three", "none")), {"one", "three"}),
        (AuditFilter(from_time=NOW + 1), {"two", "three"}),
        (AuditFilter(to_time=NOW + 1), {"one"}),
        (AuditFilter(subject="ada", from_time=NOW + 1, to_time=NOW + 2), {"two"}),
        (AuditFilter(subject="ada", client_id="phone"), {"two"}),
        (AuditFilter(subject="bob"), set()),
    ],
    ids=lambda value: ",".join(sorted(value)) if isinstance(value, set) else str(value),
)
async def test_events_are_found_by_every_filter(store: Store, where: AuditFilter, found: set[str]) -> None:
    """Every filter that is given holds; a client is found as caller and as the client of the token."""
    await write(
        store,
        an_event("one", caller="bff", client_id="app", subject="ada"),
        an_event("two", NOW + 1, client_id="phone", subject="ada", session_id="s1"),
        an_event("three", NOW + 2, caller="other", client_id="bff"),
    )
    for newest_first in (False, True):
        page = await store.audit_events(AuditQuery(where, newest_first=newest_first))
        assert (set(names(page)), page.complete) == (found, True)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 5, 7, 100])
async def test_looks_show_every_event_once(store: Store, limit: int, *, newest_first: bool) -> None:
    """Look by look, from where the one before has reached, everything is seen once and in order."""
    await write(store, *(an_event(str(number), subject="ada" if number % 3 else "bob") for number in range(10)))
    seen: list[str] = []
    query = AuditQuery(AuditFilter(subject="ada"), limit=limit, newest_first=newest_first)
    while True:
        page = await store.audit_events(query)
        seen += names(page)
        if page.complete:
            break
        bounds = {"before": page.reached} if newest_first else {"after": page.reached}
        query = AuditQuery(query.where, limit=limit, newest_first=newest_first, **bounds)
    expected = [str(number) for number in range(10) if number % 3]
    assert seen == (expected[::-1] if newest_first else expected)


async def test_numbers_are_answered_behind_a_number(store: Store) -> None:
    """The lowest first, up to a limit."""
    await write(store, *map(an_event, "abcd"))
    assert list(await store.audit_numbers(0, 10)) == [1, 2, 3, 4]
    assert list(await store.audit_numbers(1, 2)) == [2, 3]
    assert list(await store.audit_numbers(4, 2)) == []


async def test_numbers_go_on_when_everything_is_pruned(store: Store) -> None:
    """No number is given twice, though no event is left."""
    await write(store, *map(an_event, "abc"))
    assert await store.prune(NOW, 10, audit_before=NOW + 1) == {"audit_events": 3}
    assert list((await store.audit_events(AuditQuery())).records) == []
    await write(store, an_event())
    (number,) = await store.audit_numbers(0, 10)
    assert number > 3


_NOT_DOCUMENTS = (
    *("{", "", "[1]", "null", '{"a": "\\ud800"}', "[" * 40_000),
    '{"a": ' + "[" * 30 + "]" * 30 + "}",
    '{"a": "' + "x" * 60_000 + '"}',
)


@only("has_log_rows")
@pytest.mark.parametrize("text", _NOT_DOCUMENTS, ids=lambda text: text[:20])
async def test_an_event_whose_details_are_unreadable_is_shown_without_them(
    store: Store, kind: Kind, path: Path, text: str
) -> None:
    """Somebody has changed them: the rest of it is shown, and every other event."""
    await write(store, an_event("one", subject="ada", details={"n": 1}), an_event("two"))
    tamper(kind, path, f"UPDATE audit_events SET details = '{text}' WHERE sequence = 1")
    one, two = (await store.audit_events(AuditQuery())).records
    assert (one.sequence, one.event) == (1, an_event("one", subject="ada", details={"unreadable": ["details"]}))
    assert (len(one.chain_hash), two.event) == (32, an_event("two"))


@pytest.mark.parametrize("kind", [SQLITE], ids=["sqlite"], indirect=True)
@pytest.mark.parametrize("value", ["'x'", "x'ff00'", "-1", "9e99", "999999999999999999"])
@pytest.mark.parametrize("column", ["at", "type", "subject", "details", "chain", "position", "hash"])
async def test_a_column_with_anything_in_it_leaves_the_event_readable(
    store: Store, kind: Kind, path: Path, column: str, value: str
) -> None:
    """SQLite takes any value in any column: the event is shown all the same, with what can be shown."""
    await write(store, an_event("one", reason="why"))
    tamper(kind, path, f"UPDATE audit_events SET {column} = {value}")
    (record,) = (await store.audit_events(AuditQuery())).records
    assert (record.sequence, record.event.reason) == (1, "why")
    assert isinstance(record.event.at, int)
    assert all(isinstance(text, str) for text in (record.event.type, record.event.subject))
    assert isinstance(record.event.details, dict)


@only("has_log_rows")
@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_look_goes_through_a_part_of_the_trail_only(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, newest_first: bool
) -> None:
    """Where nothing is found a look ends all the same, and tells how far it has got."""
    monkeypatch.setattr(audit_reading, "_PART", 4)
    await write(store, *map(an_event, "abcdef"))
    query = AuditQuery(AuditFilter(subject="nobody"), newest_first=newest_first)
    page = await store.audit_events(query)
    assert (page.records, page.complete, page.reached) == ([], False, 3 if newest_first else 4)
    bounds = {"before": page.reached} if newest_first else {"after": page.reached}
    assert (await store.audit_events(AuditQuery(query.where, newest_first=newest_first, **bounds))).complete


@only("has_log_rows")
async def test_a_listing_from_a_moment_on_does_not_go_through_what_is_long_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of which everything is from an hour before the moment is the last one."""
    monkeypatch.setattr(audit_reading, "_PART", 2)
    await write(store, *(an_event(at=NOW - 3_600_001) for _ in range(8)))
    assert (await store.audit_events(AuditQuery(AuditFilter(from_time=NOW), newest_first=True))).complete
    assert not (await store.audit_events(AuditQuery(AuditFilter(from_time=NOW - 1), newest_first=True))).complete


@only("survives_restart")
async def test_the_trail_survives_a_restart(kind: Kind, path: Path, clock: FakeClock) -> None:
    """What was written is there when the store is opened again, and numbers go on."""
    first = kind.open(path, clock)
    await write(first, an_event("before"))
    await first.close()
    second = kind.open(path, clock)
    await write(second, an_event("after"))
    assert names(await second.audit_events(AuditQuery())) == ["before", "after"]
    assert list(await second.audit_numbers(0, 10)) == [1, 2]
    await second.close()
