"""Ids of what works once: of all who use one, on whatever node, one is the first."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.store.kinds import Kind, only
from tests.store.samples import NOW, a_session, stored, writing
from tokensvc.domain.effects import Effects
from tokensvc.domain.policy import MINUTE
from tokensvc.domain.used_id import UsedId, used_id
from tokensvc.domain.view import GRACE
from tokensvc.ports import Rows, Store, Unit
from tokensvc.store.sql_store import SqlStore

UNTIL = NOW + MINUTE


def an_id(name: str = "one", owner: str = "bff", purpose: str = "test", expires_at: int = UNTIL) -> UsedId:
    """An id that `owner` uses."""
    return used_id(purpose, owner, name, expires_at=expires_at)


def using(used: UsedId) -> Unit[bool]:
    """A unit that uses an id; its outcome is whether it was the first."""

    def decide(rows: Rows) -> Effects[bool]:
        return Effects(rows.is_first_use(used))

    return Unit(decide, used_id=used)


async def uses(store: Store, *ids: UsedId) -> list[bool]:
    """Use `ids` in the same moment; answer for each whether it was the first."""
    return [committed.outcome for committed in await asyncio.gather(*(store.commit(using(used)) for used in ids))]


async def test_an_id_is_used_once(store: Store) -> None:
    """The second use is told so."""
    assert [await uses(store, an_id()) for _ in range(3)] == [[True], [False], [False]]


async def test_of_a_batch_one_is_the_first(store: Store) -> None:
    """Twenty uses in one transaction, and others beside them."""
    found = await uses(store, *[an_id()] * 20, an_id("two"), an_id("two"))
    assert (found[0], sum(found[:20]), found[20:]) == (True, 1, [True, False])


async def test_owners_and_purposes_have_ids_of_their_own(store: Store) -> None:
    """The same name is another id for another client and for another purpose."""
    assert await uses(store, an_id(), an_id(owner="web"), an_id(purpose="proof"), an_id("f")) == [True] * 4
    assert an_id("b", owner="a") != an_id("", owner="ab")


async def test_it_is_kept_whatever_is_decided_beside_it(store: Store) -> None:
    """A unit that writes a session, and one that refuses: both have used their id."""
    used = an_id()
    await store.commit(Unit(writing(session=a_session()).decide, used_id=used))
    assert (await stored(store)).generation == 0
    assert await uses(store, used) == [False]


async def test_a_decision_that_fails_uses_nothing(store: Store) -> None:
    """What is not committed was not used."""
    used = an_id()

    def fail(rows: Rows) -> Effects[None]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.commit(Unit(fail, used_id=used))
    assert await uses(store, used) == [True]


async def test_a_decision_that_runs_again_is_still_the_first(store: Store) -> None:
    """A unit of a batch that fails is tried alone, and finds its id unused."""

    def fail(rows: Rows) -> Effects[None]:
        raise ZeroDivisionError

    using_one, failing = await asyncio.gather(
        store.commit(using(an_id())), store.commit(Unit(fail)), return_exceptions=True
    )
    assert isinstance(failing, ZeroDivisionError)
    assert not isinstance(using_one, BaseException)
    assert using_one.outcome


async def test_it_goes_when_nothing_takes_it_for_good_any_more(store: Store) -> None:
    """After its end and the grace, because clocks differ; not a moment before."""
    await uses(store, an_id())
    assert await store.prune(UNTIL + GRACE, 100) == {}
    assert await uses(store, an_id()) == [False]
    assert await store.prune(UNTIL + GRACE + 1, 100) == {"used_ids": 1}
    assert await uses(store, an_id()) == [True]


async def test_pruning_goes_in_limited_steps(store: Store) -> None:
    """No more than the limit at a time."""
    await uses(store, *(an_id(str(place)) for place in range(5)))
    gone = [(await store.prune(UNTIL + GRACE + 1, 2))["used_ids"] for _ in range(4)]
    assert gone == [2, 2, 1, 0]


@only("survives_restart")
async def test_it_was_used_after_a_restart_too(kind: Kind, path: Path, clock: FakeClock) -> None:
    """It is durable before the unit is answered."""
    before = kind.open(path, clock)
    assert await uses(before, an_id()) == [True]
    await before.close()
    after = kind.open(path, clock)
    assert await uses(after, an_id()) == [False]
    await after.close()


@only("survives_restart")
async def test_of_two_nodes_one_is_the_first(kind: Kind, path: Path, clock: FakeClock) -> None:
    """For each of many ids that both use at once, in whichever order."""
    stores = [kind.open(path, clock), kind.open(path, clock)]
    ids = [an_id(str(place)) for place in range(40)]
    found = await asyncio.gather(uses(stores[0], *ids), uses(stores[1], *reversed(ids)))
    for store in stores:
        await store.close()
    assert [one + other for one, other in zip(found[0], reversed(found[1]), strict=True)] == [1] * 40


async def test_others_pay_nothing_for_it(open_sqlite: Callable[[], SqlStore], monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch without such an id makes no statement about them."""
    store = open_sqlite()
    monkeypatch.delattr(store._batch, "_keep_ids")
    await store.commit(writing(session=a_session()))
