"""What is still there after a restart, on the kinds of stores that survive one."""

from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.store.kinds import Kind, only
from tests.store.samples import NOW, a_session, an_access_token, an_entry, rotating, sid, stored, writing
from tokensvc.domain.client import Client
from tokensvc.domain.revocation import EntryKind
from tokensvc.domain.view import GRACE, View
from tokensvc.store import log_reader


async def view_after_restart(kind: Kind, path: Path, clock: FakeClock) -> View:
    """The view of a store that opens what another has left."""
    store = kind.open(path, clock)
    view = await store.view()
    await store.close()
    return view


@only("survives_restart")
async def test_a_session_survives(kind: Kind, path: Path, clock: FakeClock) -> None:
    """A session is as it was after its last rotation: a consumed token stays consumed."""
    first = kind.open(path, clock)
    await first.commit(writing(session=a_session()))
    await first.commit(rotating())
    before = await stored(first)
    await first.close()
    second = kind.open(path, clock)
    assert await stored(second) == before
    assert (await second.commit(rotating())).outcome == 2
    await second.close()


@only("survives_restart")
async def test_revocations_survive(kind: Kind, path: Path, clock: FakeClock) -> None:
    """What was revoked is revoked for the next process, and the revisions go on."""
    first = kind.open(path, clock)
    await first.commit(writing(log=(an_entry(EntryKind.SESSION, sid()), an_entry(key="bob"))))
    await first.close()
    view = await view_after_restart(kind, path, clock)
    assert view.revision == 2
    assert view.has_revoked(an_access_token(a_session()))
    assert view.has_revoked(an_access_token(a_session("other", subject="bob")))
    assert not view.has_revoked(an_access_token(a_session("other")))


@only("survives_restart")
async def test_entries_are_loaded_until_the_grace_is_over(kind: Kind, path: Path, clock: FakeClock) -> None:
    """A clock that is set back by less than the grace revives nothing that had been ended."""
    first = kind.open(path, clock)
    for name, expires_at in (("kept", NOW - GRACE), ("over", NOW - GRACE - 1)):
        await first.commit(writing(log=(an_entry(EntryKind.SESSION, sid(name), expires_at=expires_at),)))
    await first.close()
    view = await view_after_restart(kind, path, clock)
    assert view.has_revoked(an_access_token(a_session("kept")))
    assert not view.has_revoked(an_access_token(a_session("over")))
    assert view.revision == 2


@only("survives_restart")
async def test_clients_survive(kind: Kind, path: Path, clock: FakeClock) -> None:
    """A registered client is known to the next process."""
    first = kind.open(path, clock)
    await first.commit(writing(client=Client("bff"), log=(an_entry(EntryKind.CLIENT_CHANGED, "bff"),)))
    await first.close()
    assert (await view_after_restart(kind, path, clock)).clients == {"bff": Client("bff")}


@only("survives_restart")
async def test_a_long_log_is_read_in_pages(
    kind: Kind, path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the log is, a node that starts has all of it, the last entry and those at the ends of pages too."""
    monkeypatch.setattr(log_reader, "_PAGE", 10)
    first = kind.open(path, clock)
    names = [f"session-{place}" for place in range(35)]
    for name in names:
        await first.commit(writing(log=(an_entry(EntryKind.SESSION, sid(name)),)))
    await first.close()
    view = await view_after_restart(kind, path, clock)
    assert view.revision == 35
    assert all(view.has_revoked(an_access_token(a_session(name))) for name in names)
    assert not view.has_revoked(an_access_token(a_session()))
