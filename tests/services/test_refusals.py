"""Refused calls in the audit trail: counted, bounded, never waited for."""

import asyncio
from typing import Any

import pytest
import structlog

from tests.fakes import FakeClock
from tests.harness import policy_of
from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases, new_keys
from tests.virtual_time import run
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.ports import Committed, Unit
from tokensvc.services.refusal_bursts import SUBJECT_BURST
from tokensvc.services.refusal_tallies import MOST_KINDS
from tokensvc.services.refusals import A_SECOND, MOST_A_FLUSH, RECORDED, SAVED, Refusal, Refusals

KEYS = new_keys()
FORGED = "ccdd3516"  # the beginning of the SHA-256 of "forged"


class UnsteadyStore(RecordingStore):
    """A store whose next commits can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None

    async def commit(self, unit: Unit[Any]) -> Committed[Any]:
        """Fail, or commit."""
        if self.error:
            raise self.error
        return await super().commit(unit)


@pytest.fixture
def store() -> UnsteadyStore:
    """An empty store."""
    return UnsteadyStore()


@pytest.fixture
def refusals(store: UnsteadyStore, clock: FakeClock) -> Refusals:
    """What records."""
    return Refusals(store, KEYS.refresh_tokens, clock)


def written(store: RecordingStore) -> list[AuditEvent]:
    """All events so far."""
    return [event for effects in store.written for event in effects.audit]


def of_type(store: RecordingStore, name: str) -> list[AuditEvent]:
    """The events of a type so far."""
    return [event for event in written(store) if event.type == name]


def recorded(store: RecordingStore) -> int:
    """How many refusals the trail tells of, one by one or as counts."""
    single = sum(int(event.details["count"]) for event in of_type(store, "refused"))
    return single + sum(sum(map(int, event.details.values())) for event in of_type(store, "refusals.dropped"))


def refused(reason: Reason = Reason.REFRESH_TOKEN_INVALID, **fields: Any) -> Refusal:
    """A refused Refresh of the BFF."""
    return Refusal(reason, "Refresh", **({"caller": "bff"} | fields))


async def test_a_refusal_is_recorded(store: UnsteadyStore, refusals: Refusals, clock: FakeClock) -> None:
    """Who was refused, why and from where, and how often; of the token a fingerprint."""
    refusals.note(refused(client_id="app", subject="ada", ip="192.0.2.1", token="forged"))
    at = clock()
    clock.advance(seconds=1)
    refusals.note(refused(client_id="app", subject="ada", ip="192.0.2.2", token="another"))
    await refusals.flush()
    details = {"method": "Refresh", "token": FORGED, "count": 2}
    assert written(store) == [
        AuditEvent(
            "refused",
            at,
            caller="bff",
            client_id="app",
            subject="ada",
            reason="REFRESH_TOKEN_INVALID",
            ip="192.0.2.1",
            details=details,
        )
    ]


async def test_nothing_is_written_without_a_refusal(store: UnsteadyStore, refusals: Refusals) -> None:
    """A quiet server writes nothing, and what was written is not written again."""
    await refusals.flush()
    assert store.commits == 0
    refusals.note(refused())
    await refusals.flush()
    await refusals.flush()
    assert store.commits == 1


@pytest.mark.parametrize("reason", Reason)
async def test_what_is_about_callers_and_tokens_and_what_these_may_be_for_is_recorded(
    store: UnsteadyStore, refusals: Refusals, reason: Reason
) -> None:
    """What is wrong with a request or with the service is not."""
    refusals.note(refused(reason))
    await refusals.flush()
    is_about_them = reason.name.startswith(("CALLER_", "REFRESH_TOKEN_", "BINDING_", "CREDENTIAL_", "SUBJECT_TOKEN"))
    is_about_them |= reason in (Reason.CLIENT_MISMATCH, Reason.CLIENT_DISABLED, Reason.SESSION_LIMIT_REACHED)
    is_about_them |= reason in (Reason.INVALID_SCOPE, Reason.INVALID_AUDIENCE, Reason.RATE_LIMITED)
    assert (reason in RECORDED) == is_about_them
    assert len(written(store)) == (reason in RECORDED)


@pytest.mark.parametrize("token_format", RefreshTokenFormat)
async def test_of_a_genuine_token_subject_and_client_are_known(
    store: UnsteadyStore, clock: FakeClock, token_format: RefreshTokenFormat
) -> None:
    """The session is looked up when the refusal is written, not when the caller is answered; or the token says it."""
    use_cases = UseCases(store, clock, KEYS)
    await use_cases.register("bff", policy=policy_of(refresh_token_format=token_format))
    issued = await use_cases.issue("bff", subject="ada")
    refusals = Refusals(store, KEYS.refresh_tokens, clock)
    refusals.note(refused(Reason.REFRESH_TOKEN_EXPIRED, token=issued.refresh_token))
    assert store.reads == 0
    await refusals.flush()
    (event,) = of_type(store, "refused")
    token = KEYS.refresh_tokens.open(issued.refresh_token)
    assert token
    assert (event.subject, event.client_id, event.session_id) == ("ada", "bff", token.session_id)
    assert store.reads == (token_format is not RefreshTokenFormat.STATELESS_JWT)
    assert issued.refresh_token not in repr(store.written[-1])


async def test_forged_tokens_lead_to_no_look_at_the_database(store: UnsteadyStore, refusals: Refusals) -> None:
    """A million of them is one event, and nothing is read."""
    for number in range(1000):
        refusals.note(refused(token=f"tsr1_{'A' * 44}{number:06}"))
    await refusals.flush()
    (event,) = of_type(store, "refused")
    assert (event.details["count"], store.reads) == (1000, 0)


async def test_a_flush_writes_few_events(store: UnsteadyStore, refusals: Refusals) -> None:
    """What happened most is written one by one, of the rest the counts by reason; none is lost."""
    for number in range(100):
        for _ in range(number // 10 + 1):
            refusals.note(refused(subject=str(number)))
    await refusals.flush()
    assert len(written(store)) == MOST_A_FLUSH
    assert "99" in {event.subject for event in of_type(store, "refused")}
    assert "1" not in {event.subject for event in of_type(store, "refused")}
    assert recorded(store) == 550
    (dropped,) = of_type(store, "refusals.dropped")
    assert dropped.details.keys() == {"REFRESH_TOKEN_INVALID"}


async def test_over_a_long_time_the_trail_grows_slowly(
    store: UnsteadyStore, refusals: Refusals, clock: FakeClock
) -> None:
    """Under an attack of an hour there is one event a second, after some hundreds, and each refusal is counted."""
    for _ in range(3600):
        for number in range(30):
            refusals.note(refused(subject=str(number)))
        await refusals.flush()
        clock.advance(seconds=1)
    clock.advance(seconds=60)
    await refusals.flush()
    assert len(written(store)) <= SAVED + 3660 * A_SECOND
    assert recorded(store) == 30 * 3600


async def test_memory_is_bounded(store: UnsteadyStore, refusals: Refusals, clock: FakeClock) -> None:
    """Of more kinds of refusals than fit only the counts are kept."""
    store.error = RefusedError(Reason.STORE_UNAVAILABLE, "gone")
    for number in range(3 * MOST_KINDS):
        refusals.note(refused(subject=str(number), caller=str(number % 100)))
        if number % 500 == 0:
            await refusals.flush()
    assert len(refusals._tallies.items()) == MOST_KINDS
    store.error = None
    for _ in range(200):
        await refusals.flush()
        clock.advance(seconds=10)
    assert recorded(store) == 3 * MOST_KINDS


@pytest.mark.parametrize("error", [RefusedError(Reason.STORE_UNAVAILABLE, "gone"), ValueError("a defect")], ids=str)
async def test_what_cannot_be_written_is_kept(store: UnsteadyStore, refusals: Refusals, error: Exception) -> None:
    """A failure disturbs nobody, and the counts come with the next flush that succeeds, once."""
    store.error = error
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            refusals.note(refused(subject="ada"))
            await refusals.flush()
    assert (len(logs) > 0) == isinstance(error, ValueError)
    store.error = None
    refusals.note(refused(subject="ada"))
    await refusals.flush()
    await refusals.flush()
    assert [event.details["count"] for event in of_type(store, "refused")] == [4]


async def test_bursts_leave_room_for_the_refusals(store: UnsteadyStore, refusals: Refusals, clock: FakeClock) -> None:
    """Where there are many of both, each gets half; those bursts that found no room come with the next flush."""
    for number in range(30):
        for _ in range(SUBJECT_BURST):
            refusals.note(refused(subject=str(number)))
    await refusals.flush()
    assert len(of_type(store, "suspicion.refusal_burst")) == MOST_A_FLUSH // 2
    assert len(of_type(store, "refused")) == MOST_A_FLUSH // 2 - 1
    for _ in range(3):
        clock.advance(seconds=1)
        await refusals.flush()
    assert len({event.subject for event in of_type(store, "suspicion.refusal_burst")} - {""}) == 30


async def test_a_burst_is_not_told_twice_because_of_an_outage(store: UnsteadyStore, refusals: Refusals) -> None:
    """What was counted before the outage is not counted again after it."""
    store.error = RefusedError(Reason.STORE_UNAVAILABLE, "gone")
    for _ in range(SUBJECT_BURST):
        refusals.note(refused(subject="ada"))
        await refusals.flush()
    store.error = None
    await refusals.flush()
    await refusals.flush()
    assert [event.details["count"] for event in of_type(store, "suspicion.refusal_burst")] == [SUBJECT_BURST]


def test_refusals_are_written_every_second() -> None:
    """Again and again, until it is stopped."""

    async def scenario() -> None:
        store = UnsteadyStore()
        refusals = Refusals(store, KEYS.refresh_tokens, FakeClock())
        running = asyncio.create_task(refusals.run())
        for _ in range(5):
            refusals.note(refused())
            await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait([running])
        assert 4 <= len(written(store)) <= 5

    run(scenario())
