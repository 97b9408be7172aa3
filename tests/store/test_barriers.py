"""Barriers against subjects, devices and clients, on every kind of store."""

import asyncio

import pytest

from tests.store.samples import NOW, a_session, an_entry, sid, writing
from tokensvc.domain.effects import Effects
from tokensvc.domain.policy import HOUR
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.session import Device, Session
from tokensvc.ports import Rows, Store, Unit

EARLY = an_entry(issued_before=NOW - 2 * HOUR)
LATE = an_entry(issued_before=NOW)
BEFORE_BOTH = a_session("before both", started_at=NOW - 3 * HOUR, started_revision=9)
BETWEEN = a_session("between", started_at=NOW - HOUR, started_revision=9)
AFTER_BOTH = a_session("after both", started_at=NOW, started_revision=9)


def asking(asked: Session) -> Unit[bool]:
    """A unit whose outcome is whether a barrier ends the session."""
    session_id = asked.grant.session_id

    def decide(rows: Rows) -> Effects[bool]:
        session = rows.session(session_id)
        assert session is not None
        return Effects(rows.barred(session.grant))

    return Unit(decide, session_id=session_id)


async def barred(store: Store, *sessions: Session) -> list[bool]:
    """Of each session whether a barrier ends it, as a read and as a decision see it alike."""
    answers = []
    for session in sessions:
        row = (await store.sessions_by_id([session.grant.session_id])).get(session.grant.session_id)
        decided = (await store.commit(asking(session))).outcome
        assert row is not None
        assert row.barred is decided
        answers.append(decided)
    return answers


async def begin_all(store: Store, *sessions: Session) -> None:
    """Write the sessions."""
    await asyncio.gather(*(store.commit(writing(session=session)) for session in sessions))


@pytest.mark.parametrize("order", [(EARLY, LATE), (LATE, EARLY)], ids=["early first", "late first"])
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
async def test_of_two_cut_offs_the_later_wins(store: Store, order: tuple[LogEntry, ...], *, together: bool) -> None:
    """Whichever comes first, everything that began before the later cut-off is ended and nothing else."""
    await begin_all(store, BEFORE_BOTH, BETWEEN, AFTER_BOTH)
    commits = [store.commit(writing(log=(entry,))) for entry in order]
    if together:
        await asyncio.gather(*commits)
    else:
        for commit in commits:
            await commit
    assert await barred(store, BEFORE_BOTH, BETWEEN, AFTER_BOTH) == [True, True, False]


@pytest.mark.parametrize("order", [(an_entry(), EARLY), (EARLY, an_entry())], ids=["now first", "cut-off first"])
async def test_a_barrier_by_revision_outlives_one_by_time(store: Store, order: tuple[LogEntry, ...]) -> None:
    """A cut-off in the past, before or after, does not weaken "everything until now"."""
    session = a_session(started_at=NOW, started_revision=0)
    await begin_all(store, session)
    for entry in order:
        await store.commit(writing(log=(entry,)))
    assert await barred(store, session) == [True]


async def test_a_session_that_saw_the_barrier_is_not_ended_by_it(store: Store) -> None:
    """What begins at the barrier's own revision lives, though the clock says the same moment."""
    revision = (await store.commit(writing(log=(an_entry(),)))).revision
    session = a_session(started_revision=revision)
    await begin_all(store, session)
    assert await barred(store, session) == [False]


async def test_a_decision_sees_the_barriers_of_its_own_batch(store: Store) -> None:
    """A unit before the revocation is not barred, a unit behind it is, all in one batch."""
    await begin_all(store, a_session())
    before, _, after = await asyncio.gather(
        store.commit(asking(a_session())), store.commit(writing(log=(an_entry(),))), store.commit(asking(a_session()))
    )
    assert (before.outcome, after.outcome) == (False, True)


@pytest.mark.parametrize(
    ("kind_of_entry", "key", "ended"),
    [
        (EntryKind.SUBJECT, "ada", ["phone", "tablet", "no device"]),
        (EntryKind.DEVICE, "ada\x1fdevice", ["phone", "tablet"]),
        (EntryKind.CLIENT, "tablet", ["tablet"]),
    ],
    ids=["subject", "device", "client"],
)
async def test_a_barrier_ends_what_it_names(store: Store, kind_of_entry: EntryKind, key: str, ended: list[str]) -> None:
    """A barrier of a subject, device or client leaves the sessions of all others alone."""
    sessions = [
        a_session("phone"),
        a_session("tablet", client_id="tablet"),
        a_session("no device", device=Device()),
        a_session("bob's", subject="bob"),
    ]
    await begin_all(store, *sessions)
    await store.commit(writing(log=(an_entry(kind_of_entry, key),)))
    answers = await barred(store, *sessions)
    assert [session.grant.session_id for session, ends in zip(sessions, answers, strict=True) if ends] == [
        sid(name) for name in ended
    ]


async def test_entries_for_tokens_and_sessions_raise_no_barrier(store: Store) -> None:
    """A log entry that ends one token or session ends nothing that shares its name."""
    session = a_session("ada")
    await begin_all(store, session)
    entries = (an_entry(EntryKind.TOKEN, "ada"), an_entry(EntryKind.SESSION, "ada"))
    await store.commit(writing(log=entries))
    assert await barred(store, session) == [False]


async def test_each_session_that_is_brought_has_barriers_of_its_own(store: Store) -> None:
    """They have no rows, so two may have one id: each is answered by its own subject, in the order of the question."""
    ended, alive = (a_session(subject=subject) for subject in ("ada", "eve"))
    await store.commit(writing(log=(an_entry(),)))
    for asked in ([ended, alive], [alive, ended], [alive, ended, alive]):
        rows = await store.brought(asked)
        assert [row.session for row in rows] == asked
        assert [row.barred for row in rows] == [session is ended for session in asked]
