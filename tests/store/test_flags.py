"""Marks on subjects in the log: the last word counts, and it outlives restarts and pruning."""

from pathlib import Path

from tests.fakes import FakeClock
from tests.store.kinds import Kind, only
from tests.store.samples import NOW
from tokensvc.domain.client import Client
from tokensvc.domain.flags import Marking, flag_subject, unflag_subject
from tokensvc.domain.policy import HOUR
from tokensvc.domain.revocation import NEVER
from tokensvc.ports import Store, Unit


async def _flags(store: Store) -> dict[str, int]:
    return dict((await store.view()).flags)


async def _flag(store: Store, subject: str, until: int | None) -> None:
    effects = flag_subject(await _marking(store, subject), until)
    await store.commit(Unit(lambda _rows: effects))


async def _unflag(store: Store, subject: str) -> None:
    effects = unflag_subject(await _marking(store, subject))
    await store.commit(Unit(lambda _rows: effects))


async def _marking(store: Store, subject: str) -> Marking:
    kept_until = (await store.view()).flag_expiries.get(subject, 0)
    return Marking(Client("operator"), NOW, "leaked", subject, kept_until)


async def test_the_last_mark_of_a_subject_is_what_the_view_holds(store: Store) -> None:
    """Marked, marked again for a while, and unmarked."""
    await _flag(store, "ada", None)
    await _flag(store, "bob", None)
    assert await _flags(store) == {"ada": NEVER, "bob": NEVER}
    await _flag(store, "ada", NOW + HOUR)
    await _unflag(store, "bob")
    assert await _flags(store) == {"ada": NOW + HOUR}


@only("survives_restart")
async def test_a_mark_that_was_taken_away_does_not_come_back(kind: Kind, path: Path, clock: FakeClock) -> None:
    """Marked for ever, unmarked, and then for a while: years later, after pruning, a new process finds none of it."""
    first = kind.open(path, clock)
    await _flag(first, "ada", None)
    await _unflag(first, "ada")
    await _flag(first, "bob", None)
    await _flag(first, "bob", NOW + HOUR)
    await _flag(first, "eve", None)
    clock.advance(days=1000)
    await first.prune(clock(), 1000)
    await first.close()
    second = kind.open(path, clock)
    flags = await _flags(second)
    assert flags.get("bob", 0) <= clock()
    assert flags.keys() - {"bob"} == {"eve"}
    await second.close()
