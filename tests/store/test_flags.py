"""Marks on subjects in the log: the last word counts, and it outlives restarts and pruning."""

from pathlib import Path

from tests.fakes import FakeClock
from tests.store.kinds import Kind, only
from tests.store.samples import NOW
from tokensvc.domain.client import Client
from tokensvc.domain.flags import flag_subject, unflag_subject
from tokensvc.domain.policy import HOUR
from tokensvc.domain.revocation import NEVER
from tokensvc.domain.revoke import Revocation
from tokensvc.ports import Store, Unit

ORDER = Revocation(Client("operator"), NOW, "leaked")


async def _flags(store: Store) -> dict[str, int]:
    return dict((await store.view()).flags)


async def test_the_last_mark_of_a_subject_is_what_the_view_holds(store: Store) -> None:
    """Marked, marked again for a while, and unmarked."""
    await store.commit(Unit(lambda _rows: flag_subject(ORDER, "ada", None)))
    await store.commit(Unit(lambda _rows: flag_subject(ORDER, "bob", None)))
    assert await _flags(store) == {"ada": NEVER, "bob": NEVER}
    await store.commit(Unit(lambda _rows: flag_subject(ORDER, "ada", NOW + HOUR)))
    await store.commit(Unit(lambda _rows: unflag_subject(ORDER, "bob")))
    assert await _flags(store) == {"ada": NOW + HOUR}


@only("survives_restart")
async def test_a_mark_that_was_taken_away_does_not_come_back(kind: Kind, path: Path, clock: FakeClock) -> None:
    """Marked for ever, unmarked, and then for a while: years later, after pruning, a new process finds none of it."""
    first = kind.open(path, clock)
    await first.commit(Unit(lambda _rows: flag_subject(ORDER, "ada", None)))
    await first.commit(Unit(lambda _rows: unflag_subject(ORDER, "ada")))
    await first.commit(Unit(lambda _rows: flag_subject(ORDER, "bob", None)))
    await first.commit(Unit(lambda _rows: flag_subject(ORDER, "bob", NOW + HOUR)))
    await first.commit(Unit(lambda _rows: flag_subject(ORDER, "eve", None)))
    clock.advance(days=1000)
    await first.prune(clock(), 1000)
    await first.close()
    second = kind.open(path, clock)
    flags = await _flags(second)
    assert flags.get("bob", 0) <= clock()
    assert flags.keys() - {"bob"} == {"eve"}
    await second.close()
