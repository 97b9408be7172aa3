"""A feed in a thread: it follows, comes back, notices silence and stops."""

import threading
import time

import pytest
from tokensvc_client.revocations import Patience, RevocationFeed, StreamLostError
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.revocations.messages import NOW, revocation, told
from tests.client.revocations.sources import FakeSource

PATIENCE = Patience(first=0.001, longest=0.01, silence=60.0)


def snapshot(revision: int = 5) -> pb.WatchRevocationsResponse:
    """A whole snapshot in one message."""
    return told(revision=revision, looked_at=NOW)


def test_it_is_fresh_when_the_snapshot_is_complete() -> None:
    """Before that it is infinitely stale; then it knows the revision."""
    source = FakeSource()
    with RevocationFeed(source, patience=PATIENCE) as feed:
        stream = source.next()
        assert feed.staleness == float("inf")
        stream.say(snapshot())
        feed.wait_until_fresh(10)
        assert (feed.revision, stream.from_revision) == (5, 0)
        assert 0 <= feed.staleness < 10


def test_waiting_has_an_end() -> None:
    """Who waits for a service that does not answer is told."""
    with RevocationFeed(FakeSource(), patience=PATIENCE) as feed, pytest.raises(TimeoutError):
        feed.wait_until_fresh(0.01)


def test_a_lost_stream_is_gone_on_with() -> None:
    """The next one begins where the last one was."""
    source = FakeSource()
    with RevocationFeed(source, patience=PATIENCE) as feed:
        first = source.next()
        first.say(snapshot())
        first.say(told(revocation(6, token_id="jti-1"), revision=6, looked_at=NOW))
        first.say(StreamLostError("the connection broke"))
        assert source.next().from_revision == 6
        assert feed.revision == 6


def test_why_a_stream_was_lost_is_seen(caplog: pytest.LogCaptureFixture) -> None:
    """Who lacks a permission learns it from the log as it is, and not only that time is over."""
    source = FakeSource()
    with RevocationFeed(source, patience=PATIENCE):
        source.next().say(StreamLostError("watch is needed (CALLER_NOT_PERMITTED)"))
        source.next()
    assert ("WARNING", "the stream of revocations was lost: watch is needed (CALLER_NOT_PERMITTED)") in {
        (record.levelname, record.getMessage()) for record in caplog.records
    }


def test_a_refused_revision_is_not_asked_for_again() -> None:
    """The next one begins with a snapshot."""
    source = FakeSource()
    with RevocationFeed(source, patience=PATIENCE):
        first = source.next()
        first.say(snapshot())
        first.say(StreamLostError("what revision?", refused=True))
        assert source.next().from_revision == 0


def test_what_makes_no_sense_ends_the_stream() -> None:
    """A message that is not understood is not passed over: the stream is cancelled, and asked for anew."""
    source = FakeSource()
    with RevocationFeed(source, patience=PATIENCE) as feed:
        first = source.next()
        first.say(told(pb.Revocation(revision=7), revision=7, looked_at=NOW))
        source.next()
        assert first.is_cancelled
        assert feed.revision == 0


def test_too_many_revocations_are_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    """Verifiers are told that nothing is known, operators why; the log is tried again, from a snapshot."""
    source = FakeSource()
    with RevocationFeed(source, patience=PATIENCE, most=1) as feed:
        first = source.next()
        first.say(snapshot())
        feed.wait_until_fresh(10)
        first.say(told(*(revocation(number, token_id=f"jti-{number}") for number in (6, 7)), revision=7, looked_at=NOW))
        assert source.next().from_revision == 0
        assert first.is_cancelled
        assert feed.staleness == float("inf")
    assert ("ERROR", "revocations are not known: there are more than 1 live revocations") in {
        (record.levelname, record.getMessage()) for record in caplog.records
    }


def test_it_outlives_what_nobody_foresaw() -> None:
    """Credentials from a file that is not there for a moment, or a message that cannot be kept: it comes back."""
    source = FakeSource()
    with RevocationFeed(source, patience=PATIENCE) as feed:
        source.failures.append(OSError("no file"))
        source.next().say(StreamLostError("the connection broke"))
        source.next().say(ValueError("what is that?"))
        source.next().say(snapshot())
        feed.wait_until_fresh(10)
        assert not source.failures


def test_a_stream_that_begins_slowly_is_asked_for_anew() -> None:
    """From where it is: the answer to that says more about its moment."""
    source, now = FakeSource(), 100.0

    def clock() -> float:
        return now

    with RevocationFeed(source, patience=PATIENCE, clock=clock):
        first = source.next()
        now = 104.0
        first.say(snapshot())
        assert source.next().from_revision == 5
        assert first.is_cancelled


def test_silence_is_noticed() -> None:
    """A server that was stopped says nothing and closes nothing: the stream is cancelled, and asked for anew."""
    source = FakeSource()
    with RevocationFeed(source, patience=Patience(first=0.001, longest=0.01, silence=0.05)) as feed:
        first = source.next()
        first.say(snapshot())
        assert source.next().from_revision == 5
        assert first.is_cancelled
        assert feed.revision == 5


def test_it_stops_while_it_waits_for_a_message() -> None:
    """Closing ends the stream and both threads."""
    source, before = FakeSource(), threading.active_count()
    feed = RevocationFeed(source, patience=PATIENCE).start()
    stream = source.next()
    stream.say(snapshot())
    feed.wait_until_fresh(10)
    feed.close()
    assert stream.is_cancelled
    assert threading.active_count() == before


def test_it_stops_while_it_waits_to_come_back() -> None:
    """Closing does not wait for the end of a pause."""
    source = FakeSource()
    feed = RevocationFeed(source, patience=Patience(first=600, longest=600)).start()
    source.next().say(StreamLostError("the connection broke"))
    began = time.monotonic()
    feed.close()
    assert time.monotonic() - began < 60


def test_closing_what_was_not_started_is_nothing() -> None:
    """A feed that was only made has no threads to wait for."""
    RevocationFeed(FakeSource()).close()
