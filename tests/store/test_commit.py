"""What a commit promises, on every kind of store."""

import asyncio
from dataclasses import replace

import pytest

from tests.store.samples import NOW, a_session, an_entry, rotating, sid, stored, writing
from tokensvc.domain.client import Client
from tokensvc.domain.effects import Effects, Refused
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import TokenPolicy
from tokensvc.domain.refresh import Refreshed, decide_refresh
from tokensvc.domain.refresh_attempt import RefreshAttempt
from tokensvc.domain.refresh_token import RefreshToken
from tokensvc.domain.session import Session
from tokensvc.ports import Committed, Rows, Store, Unit

PHONE = Client("phone", policy=TokenPolicy(retry_window=0, scopes=("read", "write"), audiences=("api",)))


def refreshing(name: str, generation: int) -> Unit[Refreshed | Refused]:
    """A Refresh as the service decides it, by the client itself."""
    attempt = RefreshAttempt(RefreshToken(1, bytes(16), generation), PHONE, NOW)

    def decide(rows: Rows) -> Effects[Refreshed | Refused]:
        return decide_refresh(attempt, rows.session(sid(name)), {"phone": PHONE}, barred=False)

    return Unit(decide, session_id=sid(name))


def failing(error: Exception) -> Unit[None]:
    """A unit whose decision raises."""

    def decide(_rows: Rows) -> Effects[None]:
        raise error

    return Unit(decide)


def looking_for(name: str, *, named: bool) -> Unit[Session | None]:
    """A unit whose outcome is the session it sees; `named` says whether it asks for the row."""
    return Unit(lambda rows: Effects(rows.session(sid(name))), session_id=sid(name) if named else "")


async def test_a_new_session_is_read_back(store: Store) -> None:
    """A committed session is there, as it was written."""
    session = a_session()
    await store.commit(writing(session=session))
    assert await stored(store) == session


async def test_a_session_that_was_never_written_is_none(store: Store) -> None:
    """An unknown session is None, not an error."""
    assert await store.sessions_by_id(["nobody's", sid("nobody's")]) == {}


async def test_many_sessions_are_found_at_once(store: Store) -> None:
    """Of a thousand ids, some named twice, those that exist are found and no other."""
    sessions = {name: a_session(name) for name in map("session-{}".format, range(500))}
    await asyncio.gather(*(store.commit(writing(session=session)) for session in sessions.values()))
    found = await store.sessions_by_id([sid(f"session-{place}") for place in (*range(1000), 7)])
    assert {row.session for row in found.values()} == set(sessions.values())


async def test_the_state_of_a_session_changes(store: Store) -> None:
    """Generation, moments and the reason of a revocation are read back after a change."""
    session = a_session()
    await store.commit(writing(session=session))
    changed = Session(session.grant, 7, NOW + 1, NOW + 2, revoked_at=NOW + 3, revoke_reason="lost")
    await store.commit(Unit(lambda _rows: Effects(None, session=changed), session_id=sid()))
    assert await stored(store) == changed


async def test_a_unit_sees_what_the_unit_before_it_in_the_batch_did(store: Store) -> None:
    """Three rotations that are committed together count one after the other."""
    await store.commit(writing(session=a_session()))
    committed = await asyncio.gather(*(store.commit(rotating()) for _ in range(3)))
    assert [each.outcome for each in committed] == [1, 2, 3]
    assert (await stored(store)).generation == 3


async def test_a_session_begun_in_a_batch_is_seen_in_it(store: Store) -> None:
    """A unit finds the session that the unit before it has begun."""
    _, found = await asyncio.gather(
        store.commit(writing(session=a_session())), store.commit(looking_for("session", named=True))
    )
    assert found.outcome == a_session()


async def test_of_two_refreshes_of_one_token_in_a_batch_the_second_is_reuse(store: Store) -> None:
    """Without a retry window the second use ends the session, though both came together."""
    await store.commit(writing(session=a_session()))
    first, second = await asyncio.gather(*(store.commit(refreshing("session", 0)) for _ in range(2)))
    assert isinstance(first.outcome, Refreshed)
    assert isinstance(second.outcome, Refused)
    assert second.outcome.reason is Reason.REFRESH_TOKEN_REUSED
    assert (await stored(store)).revoked_at == NOW


async def test_a_decision_sees_the_rows_that_it_has_asked_for(store: Store) -> None:
    """A session that no unit of the batch names is not there for a decision."""
    await store.commit(writing(session=a_session()))
    assert (await store.commit(looking_for("session", named=False))).outcome is None


@pytest.mark.parametrize(
    "error", [ValueError("a defect"), RefusedError(Reason.INVALID_REQUEST, "wrong")], ids=["defect", "refusal"]
)
async def test_a_decision_that_raises_fails_alone(store: Store, error: Exception) -> None:
    """Its caller gets the error; the units before and after it in the batch commit."""
    before, failed, after = await asyncio.gather(
        store.commit(writing("before", session=a_session("one"))),
        store.commit(failing(error)),
        store.commit(writing("after", session=a_session("two"))),
        return_exceptions=True,
    )
    assert failed is error
    assert (before, after) == (Committed("before", 0), Committed("after", 0))
    assert await stored(store, "one")
    assert await stored(store, "two")


async def test_a_caller_that_goes_away_leaves_its_write(store: Store) -> None:
    """A commit that is cancelled while it is under way answers nobody, but it happens, and so does its neighbour's."""
    leaving = asyncio.create_task(store.commit(writing(session=a_session("one"))))
    staying = asyncio.create_task(store.commit(writing(session=a_session("two"))))
    await asyncio.sleep(0)  # both are queued now
    await asyncio.sleep(0)  # and now they are a batch
    leaving.cancel()
    async with asyncio.timeout(30):
        await staying
    assert leaving.cancelled()
    assert await stored(store, "one")


async def test_effects_with_nothing_to_write_are_answered(store: Store) -> None:
    """A decision may find that there is nothing to do: its outcome has no revision, and the log does not move."""
    await store.commit(writing(log=(an_entry(),)))
    assert await store.commit(writing("nothing")) == Committed("nothing", 0)
    assert (await store.view()).revision == 1


async def test_a_thousand_refreshes_leave_one_session(store: Store) -> None:
    """A session that was rotated a thousand times, many at once, is one session at generation 1,000."""
    await store.commit(writing(session=a_session()))
    outcomes = [each.outcome for each in await asyncio.gather(*(store.commit(rotating()) for _ in range(1000)))]
    assert outcomes == list(range(1, 1001))
    assert (await stored(store)).generation == 1000


async def test_sessions_of_a_batch_do_not_mix(store: Store) -> None:
    """Fifty sessions, begun and rotated together, each keep their own state."""
    sessions = {f"session-{place}": a_session(f"session-{place}", subject=f"subject-{place}") for place in range(50)}
    await asyncio.gather(*(store.commit(writing(session=session)) for session in sessions.values()))
    await asyncio.gather(*(store.commit(rotating(name)) for name in sessions for _ in range(2)))
    for name, session in sessions.items():
        found = await stored(store, name)
        assert found == replace(session, generation=2, rotated_at=found.rotated_at, used_at=found.used_at)
