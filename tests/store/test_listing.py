"""Listing sessions, on every kind of store."""

import asyncio
from itertools import product

import pytest

from tests.store.samples import NOW, a_session, an_entry, sid, writing
from tokensvc.domain.session import Device, Session
from tokensvc.ports import SessionFilter, Store

SUBJECTS, CLIENTS, DEVICES = ("ada", "bob"), ("phone", "tablet"), ("", "left", "right")


async def begin_all(store: Store, sessions: list[Session]) -> None:
    """Write the sessions."""
    await asyncio.gather(*(store.commit(writing(session=session)) for session in sessions))


async def names(store: Store, wanted: SessionFilter) -> list[str]:
    """The ids of the sessions that are found, in their order."""
    return [row.session.grant.session_id for row in await store.sessions(wanted)]


def after(session: Session) -> tuple[int, str]:
    """Where the page behind `session` begins."""
    return session.grant.started_at, session.grant.session_id


async def test_the_session_that_began_last_comes_first(store: Store) -> None:
    """Sessions come by the moment they began, newest first; those of one moment in an order that stays."""
    moments = {"b": NOW, "a": NOW, "c": NOW, "old": NOW - 1, "new": NOW + 1}
    await begin_all(store, [a_session(name, started_at=moment) for name, moment in moments.items()])
    new, *alike, old = await names(store, SessionFilter())
    assert (new, old, set(alike)) == (sid("new"), sid("old"), set(map(sid, "abc")))
    assert await names(store, SessionFilter()) == [new, *alike, old]


async def test_pages_join_up(store: Store) -> None:
    """Page by page every session comes once, though many began in the same moment and the last page is full."""
    sessions = [a_session(f"{place:02}", started_at=NOW + place // 5) for place in range(21)]
    await begin_all(store, sessions)
    listed: list[str] = []
    before = None
    for _ in range(3):
        page = await store.sessions(SessionFilter(before=before, limit=7))
        listed += [row.session.grant.session_id for row in page]
        before = after(page[-1].session)
    assert await store.sessions(SessionFilter(before=before, limit=7)) == []
    assert sorted(listed) == sorted(session.grant.session_id for session in sessions)
    assert listed == await names(store, SessionFilter())


async def test_sessions_that_begin_meanwhile_do_not_move_the_pages(store: Store) -> None:
    """New sessions between two pages are neither listed late nor push a listed one onto the next page."""
    sessions = [a_session(f"{place}", started_at=NOW + place) for place in range(6)]
    await begin_all(store, sessions)
    first = await store.sessions(SessionFilter(limit=3))
    await begin_all(store, [a_session(f"new-{place}", started_at=NOW + 100 + place) for place in range(5)])
    second = await names(store, SessionFilter(before=after(first[-1].session), limit=3))
    assert [row.session.grant.session_id for row in first] + second == list(map(sid, "543210"))


@pytest.mark.parametrize("wanted", list(product(("", *SUBJECTS), ("", *CLIENTS), DEVICES)))
async def test_filters_add_up(store: Store, wanted: tuple[str, str, str]) -> None:
    """Each combination of subject, client and device finds exactly the sessions that have all of them."""
    have = {f"{place:02}": each for place, each in enumerate(product(SUBJECTS, CLIENTS, DEVICES))}
    sessions = [
        a_session(name, subject=subject, client_id=client, device=Device(device))
        for name, (subject, client, device) in have.items()
    ]
    await begin_all(store, sessions)
    matching = [
        name for name, each in have.items() if all(want in ("", has) for want, has in zip(wanted, each, strict=True))
    ]
    assert set(await names(store, SessionFilter(*wanted))) == set(map(sid, matching))


async def test_a_filter_is_compared_exactly(store: Store) -> None:
    """Neither case nor wildcards nor quotes in a filter find another subject's sessions."""
    await begin_all(store, [a_session("adas", subject="ada"), a_session("quoted", subject="o'h%ra_\"")])
    for subject in ("Ada", "a%", "ad_", "ada ", "' OR '1'='1"):
        assert await names(store, SessionFilter(subject=subject)) == []
    assert await names(store, SessionFilter(subject="o'h%ra_\"")) == [sid("quoted")]


async def test_the_list_says_which_sessions_a_barrier_ends(store: Store) -> None:
    """A revoked subject's sessions are marked, those of others on the same page are not."""
    await begin_all(store, [a_session("adas"), a_session("bobs", subject="bob")])
    await store.commit(writing(log=(an_entry(key="ada"),)))
    marked = {row.session.grant.session_id: row.barred for row in await store.sessions(SessionFilter())}
    assert marked == {sid("adas"): True, sid("bobs"): False}
