"""The numbers of audit events on PostgreSQL: drawn with the look, before it is known how many are needed."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from tests.store.faults import watched
from tests.store.kinds import open_postgres_store
from tests.store.samples import sid, writing
from tests.store.test_at_once import REFUSAL, SEVERAL, open_store, refreshing, store, verbs
from tests.store.test_audit import an_event
from tokensvc.domain.effects import Effects
from tokensvc.ports import AuditQuery, Rows, Unit
from tokensvc.store.audit_chain import SPARE_SECONDS, AuditWriter
from tokensvc.store.sql_store import SqlStore

__all__ = ["open_store", "store"]  # fixtures


async def test_an_event_too_many_costs_one_more_exchange(store: SqlStore) -> None:
    """A unit with several events asks for the numbers that are missing, and no number is left out."""
    exchanges = watched(store)
    await store.commit(writing(audit=(an_event(),) * SEVERAL))
    assert verbs(exchanges) == ["SELECT", "SELECT", "WITH"]
    assert list(await store.audit_numbers(0, 10)) == [1, 2, 3, 4]


async def test_a_number_is_not_kept_for_long(path: Path, clock: FakeClock) -> None:
    """One that was drawn and not used is used within a second or never: watchers do not wait for it any longer."""
    store = open_postgres_store(path, clock)
    now = 0.0
    store._audit = store._batch._audit = store._at_once._audit = AuditWriter(
        store._database.dialect, addresses=True, monotonic=lambda: now
    )
    await store.commit(writing(audit=(an_event(),)))
    for _ in range(4):  # each hands it on, and none renews it
        await store.commit(REFUSAL)
        now += SPARE_SECONDS / 3
    await store.commit(writing(audit=(an_event(),)))
    assert list(await store.audit_numbers(0, 10)) == [1, 3]
    await store.close()


async def test_a_decision_that_fails_loses_no_number(store: SqlStore) -> None:
    """What was drawn for it is used by the next event."""

    def decide(_rows: Rows) -> Effects[None]:
        raise KeyError

    with pytest.raises(KeyError):
        await store.commit(Unit(decide, session_id=sid()))
    await store.commit(refreshing())
    assert list(await store.audit_numbers(0, 10)) == [1, 2]


async def test_numbers_go_up_along_a_chain(store: SqlStore) -> None:
    """A spare number is given up when a transaction has drawn higher ones: the trail is read in their order."""
    await store.commit(REFUSAL)
    await store.commit(replace(refreshing(), client_id="phone"))
    await store.commit(refreshing())
    records = (await store.audit_events(AuditQuery())).records
    assert [record.sequence for record in records] == [1, 3, 4]
    assert (await store.verify_audit([], 0)).flaws == []
