"""Refused calls of many callers in the audit trail: each has its turn, whatever the others do."""

import pytest

from tests.fakes import FakeClock
from tests.services.recording_store import RecordingStore
from tests.services.test_refusals import KEYS, of_type, recorded, refused, written
from tokensvc.domain.errors import Reason
from tokensvc.services.refusal_bursts import SUBJECT_BURST
from tokensvc.services.refusal_tallies import MOST_OF_A_CALLER, in_turn
from tokensvc.services.refusals import MOST_A_FLUSH, SAVED, Refusals


@pytest.fixture
def store() -> RecordingStore:
    """An empty store."""
    return RecordingStore()


@pytest.fixture
def refusals(store: RecordingStore, clock: FakeClock) -> Refusals:
    """What records."""
    return Refusals(store, KEYS.refresh_tokens, clock)


async def test_with_nothing_left_to_write_counts_wait(
    store: RecordingStore, refusals: Refusals, clock: FakeClock
) -> None:
    """Until many events may be written at once again, so that all callers are told of; at the end, the counts alone."""
    await spend(refusals, clock)
    before = len(written(store))
    for name in ("ada", "bob"):
        refusals.note(refused(subject=name))
    await refusals.flush()
    assert len(written(store)) == before
    await refusals.flush(last=True)
    assert [event.details for event in written(store)[before:]] == [{"REFRESH_TOKEN_INVALID": 2}]


async def spend(refusals: Refusals, clock: FakeClock) -> None:
    """Cause refusals until nothing may be written any more."""
    for _ in range(SAVED // MOST_A_FLUSH):
        for number in range(MOST_A_FLUSH):
            refusals.note(refused(subject=str(number)))
        await refusals.flush()


async def test_a_caller_without_end_of_subjects_hides_no_other(
    store: RecordingStore, refusals: Refusals, clock: FakeClock
) -> None:
    """Whatever one caller does, others are recorded with their subjects, and their bursts are told."""
    for second in range(60):
        for number in range(1000):
            refusals.note(refused(Reason.CALLER_NOT_PERMITTED, caller="evil", subject=f"{second}-{number}"))
        refusals.note(refused(Reason.REFRESH_TOKEN_REVOKED, client_id="app", subject="ada"))
        await refusals.flush()
        clock.advance(seconds=1)
    clock.advance(seconds=60)
    await refusals.flush()
    told = {(event.type, event.caller) for event in written(store) if event.subject == "ada"}
    assert told == {("refused", "bff"), ("suspicion.refusal_burst", "")}
    assert sum(int(event.details["count"]) for event in of_type(store, "refused") if event.subject == "ada") == 60
    assert recorded(store) == 60 * 1001


async def test_of_a_caller_with_many_subjects_the_clients_are_known(store: RecordingStore, refusals: Refusals) -> None:
    """What goes beyond the kinds that a caller may have is counted without its subjects."""
    for number in range(3 * MOST_OF_A_CALLER):
        refusals.note(refused(client_id="app", subject=str(number)))
    assert len(refusals._tallies.items()) == MOST_OF_A_CALLER + 1
    await refusals.flush()
    assert ("app", "", 2 * MOST_OF_A_CALLER) in {
        (event.client_id, event.subject, event.details["count"]) for event in of_type(store, "refused")
    }


async def test_a_caller_with_many_bursts_holds_up_no_other(
    store: RecordingStore, refusals: Refusals, clock: FakeClock
) -> None:
    """The burst of another stands in the next events that are written, not behind all of the first one's."""
    for number in range(MOST_OF_A_CALLER):
        for _ in range(SUBJECT_BURST):
            refusals.note(refused(caller="evil", subject=str(number)))
    await refusals.flush()
    for _ in range(SUBJECT_BURST):
        refusals.note(refused(caller="bff", subject="ada"))
    clock.advance(seconds=1)
    await refusals.flush()
    assert "ada" in {event.subject for event in of_type(store, "suspicion.refusal_burst")}


def test_turns_keep_the_order_of_each() -> None:
    """One of everybody's, then a second one of everybody's."""
    assert in_turn(["a1", "a2", "a3", "b1", "c1", "b2"], lambda item: item[0]) == ["a1", "b1", "c1", "a2", "b2", "a3"]
