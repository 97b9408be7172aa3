"""How often a transaction goes to the database, and that what travels together does what it would do alone."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.store.faults import watched
from tests.store.kinds import open_postgres_store
from tests.store.samples import NOW, a_session, rotating, stored, writing
from tests.store.test_audit import an_event
from tokensvc.domain.effects import Effects
from tokensvc.domain.errors import RefusedError
from tokensvc.domain.policy import DAY, MINUTE
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.ports import Rows, SessionFilter, Unit


def rotating_with_event() -> Unit[int]:
    """What a refresh writes, while nobody else may look at the client: so it takes a transaction."""

    def decide(rows: Rows) -> Effects[int]:
        effects = rotating().decide(rows)
        return Effects(effects.outcome, session=effects.session, audit=(an_event(),))

    return Unit(decide, session_id=rotating().session_id, client_id="phone")


async def test_a_transaction_goes_to_postgresql_six_times(path: Path, clock: FakeClock) -> None:
    """BEGIN, the client, the session, the row with the end of the audit chain, the event, COMMIT."""
    store = open_postgres_store(path, clock)
    await store.commit(writing(session=a_session(), audit=(an_event(),)))
    exchanges = watched(store)
    await store.commit(rotating_with_event())
    assert [sql.split()[0] for sql in exchanges.seen] == ["BEGIN", "SELECT", "SELECT", "WITH", "INSERT", "COMMIT"]
    assert (await stored(store)).generation == 1
    assert [head.position for head in (await store.verify_audit([], 0)).heads] == [2]
    await store.close()


async def test_what_travels_together_conflicts_as_alone(path: Path, clock: FakeClock) -> None:
    """Two nodes insert the same session at the same time: one row, and the other's unit is decided again."""
    one, other = (open_postgres_store(path, clock) for _ in range(2))

    def decide(rows: Rows) -> Effects[bool]:
        is_new = rows.session(a_session().grant.session_id) is None
        return Effects(is_new, session=a_session() if is_new else None, audit=(an_event(),))

    unit = Unit(decide, session_id=a_session().grant.session_id)
    outcomes = [answer.outcome for answer in await asyncio.gather(one.commit(unit), other.commit(unit))]
    assert sorted(outcomes) == [False, True]
    for store in (one, other):
        await store.close()


def ending() -> Unit[None]:
    """What a revocation of everything of ada writes, in a transaction for the same reason."""
    entry = LogEntry(EntryKind.SUBJECT, "ada", NOW, NOW + MINUTE, barrier_expires_at=NOW + DAY)

    def decide(rows: Rows) -> Effects[None]:
        session = rows.session(a_session().grant.session_id)
        assert session is not None
        return Effects(None, session=replace(session, revoked_at=NOW), audit=(an_event(),), log=(entry,))

    return Unit(decide, session_id=a_session().grant.session_id, client_id="phone")


async def test_a_revocation_is_whole_or_not_at_all(path: Path, clock: FakeClock) -> None:
    """Whichever exchange of it fails, neither the row nor the event, the log entry or the barrier has changed."""
    store = open_postgres_store(path, clock)
    await store.commit(writing(session=a_session(), audit=(an_event(),)))
    exchanges = watched(store)
    exchanges.error = OSError("the connection is gone")
    for failing in range(7):
        exchanges.restart(fails_at=failing, times=10)
        with pytest.raises(RefusedError):
            await store.commit(ending())
        exchanges.restart()
        assert (await store.view()).revision == 0
        assert not (await store.sessions(SessionFilter(subject="ada", limit=1)))[0].barred
        assert (await stored(store)).revoked_at is None
    exchanges.restart()
    await store.commit(ending())
    assert [sql.split()[0] for sql in exchanges.seen] == ["BEGIN", "SELECT", "SELECT", "WITH", "WITH", "WITH", "COMMIT"]
    assert (await store.view()).revision == 1
    assert (await store.sessions(SessionFilter(subject="ada", limit=1)))[0].barred
    assert (await stored(store)).revoked_at == NOW
    await store.close()
