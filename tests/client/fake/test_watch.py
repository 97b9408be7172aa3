"""The fake's stream of revocations, and how a test cuts it."""

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import grpc
import pytest
from tokensvc_client.testing import FakeTokenService
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.fake.dialling import Dialled, refused

SILENCE = 0.3  # seconds in which several heartbeats would have come


class Watching:
    """A stream, read until something is there. Heartbeats that say nothing new are passed over."""

    def __init__(self, bff: Dialled, from_revision: int = 0) -> None:
        self.stream: Any = bff.WatchRevocations(pb.WatchRevocationsRequest(from_revision=from_revision))

    def first(self) -> pb.WatchRevocationsResponse:
        """The first step."""
        step: pb.WatchRevocationsResponse = next(self.stream)
        return step

    def subjects(self, count: int) -> list[str]:
        """The next so many revoked subjects."""
        found: list[str] = []
        while len(found) < count:
            found += [one.subject for one in next(self.stream).revocations]
        return found


def test_a_watcher_begins_with_what_is_live(fake: FakeTokenService, bff: Dialled) -> None:
    """The snapshot has what can still concern a token, and says up to where and when."""
    fake.revoke(subject="old")
    fake.clock.advance(days=1)
    revision = fake.revoke(subject="ada", reason="gone")
    step = Watching(bff).first()
    assert [(one.subject, one.reason, one.revision) for one in step.revocations] == [("ada", "gone", revision)]
    assert step.revision == revision
    assert step.looked_at.ToDatetime(fake.clock.now.tzinfo) == fake.clock.now


def test_a_watcher_hears_of_new_ones(fake: FakeTokenService, bff: Dialled) -> None:
    """Each is told once, in order."""
    watching = Watching(bff)
    watching.first()
    fake.revoke(subject="ada")
    fake.revoke(subject="bob")
    assert watching.subjects(2) == ["ada", "bob"]


def test_a_watcher_goes_on_where_it_was(fake: FakeTokenService, bff: Dialled) -> None:
    """Behind a revision comes what followed, and no snapshot."""
    fake.revoke(subject="ada")
    revision = fake.revoke(subject="bob")
    fake.revoke(subject="eve")
    step = Watching(bff, from_revision=revision).first()
    assert [one.subject for one in step.revocations] == ["eve"]
    assert not step.keys_changed


def test_heartbeats_follow_the_clock(fake: FakeTokenService, bff: Dialled) -> None:
    """Who watches knows the fake's time soon after it was moved."""
    watching = Watching(bff)
    watching.first()
    fake.clock.advance(hours=1)
    while (step := watching.first()).looked_at.ToDatetime(fake.clock.now.tzinfo) != fake.clock.now:
        assert not step.revocations


def test_a_watcher_is_told_of_new_keys(fake: FakeTokenService, bff: Dialled) -> None:
    """Before the next token is verified, the keys are to be fetched."""
    watching = Watching(bff)
    watching.first()
    fake.rotate_key()
    while not watching.first().keys_changed:
        pass


@pytest.mark.parametrize("revision", [-1, 99])
def test_a_place_where_the_log_never_was_is_refused(bff: Dialled, revision: int) -> None:
    """Nothing would ever come."""
    code, reason, _ = refused(lambda: Watching(bff, from_revision=revision).first())
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


def test_a_cut_ends_the_streams_there_are(fake: FakeTokenService, bff: Dialled) -> None:
    """They end with UNAVAILABLE; a new one begins where that was, and misses nothing."""
    watching = Watching(bff)
    seen = watching.first().revision
    fake.cut_streams()
    with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        list(watching.stream)
    fake.revoke(subject="ada")
    assert Watching(bff, from_revision=seen).subjects(1) == ["ada"]


def falls_silent(told: SimpleQueue[pb.WatchRevocationsResponse]) -> bool:
    """Whether no step comes any more, after those that were under way."""
    for _ in range(20):
        try:
            told.get(timeout=SILENCE)
        except Empty:
            return True
    return False


def test_a_muted_stream_says_nothing(fake: FakeTokenService, bff: Dialled) -> None:
    """No revocation and no heartbeat comes before the recovery, and then it goes on where it was."""
    told: SimpleQueue[pb.WatchRevocationsResponse] = SimpleQueue()
    stream = Watching(bff).stream

    def read() -> None:
        with suppress(grpc.RpcError):
            for step in stream:
                told.put(step)

    reading = threading.Thread(target=read)
    reading.start()
    fake.mute()
    assert falls_silent(told)
    fake.revoke(subject="ada")
    with pytest.raises(Empty):
        told.get(timeout=SILENCE)
    fake.recover()
    assert [one.subject for one in told.get(timeout=10).revocations] == ["ada"]
    stream.cancel()
    reading.join(10)


def test_new_streams_can_be_refused(fake: FakeTokenService, bff: Dialled) -> None:
    """So a feed stays away for as long as a test wants."""
    fake.fail_next("WatchRevocations")
    assert refused(lambda: Watching(bff).first())[1] == "STORE_UNAVAILABLE"
    assert not Watching(bff).first().revocations
