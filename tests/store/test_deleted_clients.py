"""Deleting clients, on every kind of store: the row goes, the barrier stays."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.store.kinds import Kind, only
from tests.store.samples import a_session, an_access_token, an_entry, sid, writing
from tokensvc.domain.client import Client
from tokensvc.domain.client_authentication import AuthMethod
from tokensvc.domain.effects import Effects
from tokensvc.domain.revocation import EntryKind
from tokensvc.ports import Rows, Store, Unit
from tokensvc.store.sql_store import SqlStore

PHONE = Client("phone", name="The first")
CHANGED = an_entry(EntryKind.CLIENT_CHANGED, "phone")
ENDED = an_entry(EntryKind.CLIENT, "phone")


def registering(client: Client = PHONE) -> Unit[bool]:
    """A unit that writes the client; its outcome is whether there was one."""
    return Unit(
        lambda rows: Effects(rows.client("phone") is not None, client=client, log=(CHANGED,)), client_id="phone"
    )


def deleting() -> Unit[bool]:
    """A unit that deletes the client; its outcome is whether there was one."""

    def decide(rows: Rows) -> Effects[bool]:
        return Effects(rows.client("phone") is not None, deleted_client="phone", log=(ENDED,))

    return Unit(decide, client_id="phone")


async def test_a_deleted_client_is_not_in_the_view(store: Store) -> None:
    """It is gone at once, and the others stay."""
    other = Client("other")
    await store.commit(registering())
    await store.commit(writing(client=other, log=(an_entry(EntryKind.CLIENT_CHANGED, "other"),)))
    assert (await store.view()).clients == {"phone": PHONE, "other": other}
    await store.commit(deleting())
    assert (await store.view()).clients == {"other": other}


async def test_a_decision_does_not_see_a_deleted_client(store: Store) -> None:
    """Neither in the batch of the deletion nor after it."""
    found = await asyncio.gather(*map(store.commit, (registering(), deleting(), deleting())))
    assert [each.outcome for each in found] == [False, True, False]
    assert not (await store.commit(deleting())).outcome


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
async def test_a_client_of_the_same_id_can_follow(store: Store, *, together: bool) -> None:
    """It is there as it was written, and nothing of the one before is."""
    second = replace(PHONE, name="The second", auth_method=AuthMethod.SECRET, secret_hash=bytes(32))
    await store.commit(registering())
    if together:
        gone, new = await asyncio.gather(store.commit(deleting()), store.commit(registering(second)))
    else:
        gone, new = await store.commit(deleting()), await store.commit(registering(second))
    assert (gone.outcome, new.outcome) == (True, False)
    assert (await store.view()).clients == {"phone": second}


async def test_a_client_that_comes_and_goes_in_one_batch_was_never_there(store: Store) -> None:
    """What is left of it is the log."""
    await asyncio.gather(store.commit(registering()), store.commit(deleting()))
    view = await store.view()
    assert (view.clients, view.revision) == ({}, 2)


async def test_a_client_of_the_same_id_revives_nothing(store: Store) -> None:
    """What began before the deletion is ended for good, what begins after the new registration lives."""
    await store.commit(registering())
    before = a_session("before", started_revision=(await store.view()).revision)
    await store.commit(writing(session=before))
    await store.commit(deleting())
    await store.commit(registering())
    after = a_session("after", started_revision=(await store.view()).revision)
    await store.commit(writing(session=after))
    view = await store.view()
    assert [view.has_revoked(an_access_token(session)) for session in (before, after)] == [True, False]
    rows = await store.sessions_by_id([sid("before"), sid("after")])
    assert [rows[sid(name)].barred for name in ("before", "after")] == [True, False]


@only("survives_restart")
async def test_a_deleted_client_stays_away(kind: Kind, path: Path, clock: FakeClock) -> None:
    """After a restart it is not there, and in the tables no row is."""
    store = kind.open(path, clock)
    await store.commit(registering())
    await store.commit(deleting())
    await store.close()
    assert kind.dump(path)["clients"] == []
    store = kind.open(path, clock)
    assert (await store.view()).clients == {}
    await store.close()


async def test_a_client_that_another_store_deletes_is_gone(open_sqlite: Callable[[], SqlStore]) -> None:
    """The other store's next view does not have it, and has the one that follows it."""
    one, other = open_sqlite(), open_sqlite()
    await one.commit(registering())
    assert (await other.view()).clients == {"phone": PHONE}
    await one.commit(deleting())
    assert (await other.view()).clients == {}
    await one.commit(registering())
    assert (await other.view()).clients == {"phone": PHONE}


async def test_a_barrier_of_a_client_that_is_not_there_is_read(store: Store) -> None:
    """A revocation for an unknown client brings none into being."""
    await store.commit(writing(log=(ENDED,)))
    view = await store.view()
    assert (view.clients, view.revision) == ({}, 1)
