"""A feed in an asyncio task: it follows, comes back, notices silence and stops."""

import asyncio

import pytest
from tokensvc_client.revocations import AsyncRevocationFeed, Patience, StreamLostError
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.revocations.messages import NOW, revocation, told
from tests.client.revocations.sources import AsyncFakeSource

PATIENCE = Patience(first=0.001, longest=0.01, silence=60.0)


def snapshot(revision: int = 5) -> pb.WatchRevocationsResponse:
    """A whole snapshot in one message."""
    return told(revision=revision, looked_at=NOW)


async def test_it_is_fresh_when_the_snapshot_is_complete() -> None:
    """Before that it is infinitely stale; then it knows the revision."""
    source = AsyncFakeSource()
    async with AsyncRevocationFeed(source, patience=PATIENCE) as feed:
        stream = await source.next()
        assert feed.staleness == float("inf")
        stream.say(snapshot())
        await feed.wait_until_fresh(10)
        assert (feed.revision, stream.from_revision) == (5, 0)


async def test_waiting_has_an_end() -> None:
    """Who waits for a service that does not answer is told."""
    async with AsyncRevocationFeed(AsyncFakeSource(), patience=PATIENCE) as feed:
        with pytest.raises(TimeoutError):
            await feed.wait_until_fresh(0.01)


async def test_a_lost_stream_is_gone_on_with() -> None:
    """The next one begins where the last one was."""
    source = AsyncFakeSource()
    async with AsyncRevocationFeed(source, patience=PATIENCE) as feed:
        first = await source.next()
        first.say(snapshot())
        first.say(told(revocation(6, token_id="jti-1"), revision=6, looked_at=NOW))
        first.say(StreamLostError("the connection broke"))
        assert (await source.next()).from_revision == 6
        assert first.is_cancelled
        assert feed.revision == 6


async def test_too_many_revocations_are_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    """Verifiers are told that nothing is known, operators why; the log is tried again, from a snapshot."""
    source = AsyncFakeSource()
    async with AsyncRevocationFeed(source, patience=PATIENCE, most=1) as feed:
        first = await source.next()
        first.say(snapshot())
        await feed.wait_until_fresh(10)
        first.say(told(*(revocation(number, token_id=f"jti-{number}") for number in (6, 7)), revision=7, looked_at=NOW))
        assert (await source.next()).from_revision == 0
        assert first.is_cancelled
        assert feed.staleness == float("inf")
    assert ("ERROR", "revocations are not known: there are more than 1 live revocations") in {
        (record.levelname, record.getMessage()) for record in caplog.records
    }


async def test_it_outlives_what_nobody_foresaw() -> None:
    """Credentials from a file that is not there for a moment, or a message that cannot be kept: it comes back."""
    source = AsyncFakeSource()
    async with AsyncRevocationFeed(source, patience=PATIENCE) as feed:
        source.failures.append(OSError("no file"))
        (await source.next()).say(StreamLostError("the connection broke"))
        (await source.next()).say(ValueError("what is that?"))
        (await source.next()).say(snapshot())
        await feed.wait_until_fresh(10)
        assert not source.failures


async def test_why_a_stream_was_lost_is_seen(caplog: pytest.LogCaptureFixture) -> None:
    """Who lacks a permission learns it from the log as it is, and not only that time is over."""
    source = AsyncFakeSource()
    async with AsyncRevocationFeed(source, patience=PATIENCE):
        (await source.next()).say(StreamLostError("watch is needed (CALLER_NOT_PERMITTED)"))
        await source.next()
    assert ("WARNING", "the stream of revocations was lost: watch is needed (CALLER_NOT_PERMITTED)") in {
        (record.levelname, record.getMessage()) for record in caplog.records
    }


async def test_a_refused_revision_is_not_asked_for_again() -> None:
    """The next one begins with a snapshot."""
    source = AsyncFakeSource()
    async with AsyncRevocationFeed(source, patience=PATIENCE):
        first = await source.next()
        first.say(snapshot())
        first.say(StreamLostError("what revision?", refused=True))
        assert (await source.next()).from_revision == 0


async def test_what_makes_no_sense_ends_the_stream() -> None:
    """A message that is not understood is not passed over: the stream is cancelled, and asked for anew."""
    source = AsyncFakeSource()
    async with AsyncRevocationFeed(source, patience=PATIENCE) as feed:
        first = await source.next()
        first.say(told(pb.Revocation(revision=7), revision=7, looked_at=NOW))
        await source.next()
        assert first.is_cancelled
        assert feed.revision == 0


async def test_a_stream_that_begins_slowly_is_asked_for_anew() -> None:
    """From where it is: the answer to that says more about its moment."""
    source, now = AsyncFakeSource(), 100.0

    def clock() -> float:
        return now

    async with AsyncRevocationFeed(source, patience=PATIENCE, clock=clock):
        first = await source.next()
        now = 104.0
        first.say(snapshot())
        assert (await source.next()).from_revision == 5
        assert first.is_cancelled


async def test_silence_is_noticed() -> None:
    """A server that was stopped says nothing and closes nothing: the stream is cancelled, and asked for anew."""
    source = AsyncFakeSource()
    async with AsyncRevocationFeed(source, patience=Patience(first=0.001, longest=0.01, silence=0.05)):
        first = await source.next()
        first.say(snapshot())
        assert (await source.next()).from_revision == 5
        assert first.is_cancelled


async def test_it_stops_while_it_waits_for_a_message() -> None:
    """Closing ends the stream and the task."""
    source = AsyncFakeSource()
    feed = AsyncRevocationFeed(source, patience=PATIENCE).start()
    stream = await source.next()
    await feed.close()
    assert stream.is_cancelled
    assert len(asyncio.all_tasks()) == 1


async def test_closing_what_was_not_started_is_nothing() -> None:
    """A feed that was only made has no task to wait for."""
    await AsyncRevocationFeed(AsyncFakeSource()).close()
