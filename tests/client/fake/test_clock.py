"""The fake's clock: it stands still, moves as it is told, and everything that expires goes by it."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from tokensvc_client.testing import FakeClock, FakeTokenService

from tests.client.fake.dialling import Dialled

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_it_begins_with_the_present_second() -> None:
    """Who verifies by the real time agrees with a clock that nobody has moved."""
    assert time.time() - 60 < FakeClock()() <= time.time()


def test_it_is_moved_by_seconds_and_by_spans() -> None:
    """A span may be seconds, a timedelta, or what timedelta is told; it may go back."""
    clock = FakeClock(NOON)
    clock.advance(30)
    clock.advance(timedelta(milliseconds=500))
    clock.advance(minutes=2)
    clock.advance(-1)
    assert clock.now == NOON + timedelta(minutes=2, seconds=29, milliseconds=500)
    assert clock() == clock.now.timestamp()


def test_it_is_set_to_a_moment_of_any_zone() -> None:
    """What it answers is in UTC."""
    clock = FakeClock(NOON)
    clock.set(datetime(2031, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now == datetime(2031, 1, 1, tzinfo=UTC)
    assert clock.now.utcoffset() == timedelta()


def test_a_moment_without_a_zone_is_refused() -> None:
    """It would mean something else on another machine."""
    with pytest.raises(ValueError, match="time zone"):
        FakeClock(NOON.replace(tzinfo=None))


def test_tokens_expire_by_it(fake: FakeTokenService, bff: Dialled) -> None:
    """An access token of five minutes is over when five minutes have passed here."""
    token = fake.issue("ada").access_token
    fake.clock.advance(minutes=4, seconds=59)
    assert bff.is_active(token)
    fake.clock.advance(1)
    assert not bff.is_active(token)
