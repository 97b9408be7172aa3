"""Owns the fake's time: it stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)


class FakeClock:
    """A clock for the fake service, and for whatever else in a test goes by the same time.

    It begins with the present second unless it is told another moment, so that verifiers that go by the real time agree
    with it until it is moved. Called, it answers as `time.time` does. It counts milliseconds, as the service does.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self.set(start or datetime.now(UTC).replace(microsecond=0))

    @property
    def now(self) -> datetime:
        """The present moment, in UTC."""
        return _EPOCH + self.milliseconds * _MILLISECOND

    @property
    def milliseconds(self) -> int:
        """The present moment in milliseconds since the epoch."""
        return self._milliseconds

    def __call__(self) -> float:
        """The present moment in seconds since the epoch."""
        return self._milliseconds / 1000

    def advance(self, span: timedelta | float = 0, **spans: float) -> None:
        """Let `span` pass, a timedelta or seconds, or `spans` in the words of timedelta; negative ones go back."""
        given = span if isinstance(span, timedelta) else timedelta(seconds=span)
        self._milliseconds += round((given + timedelta(**spans)) / _MILLISECOND)

    def set(self, moment: datetime) -> None:
        """Go to `moment`, which has to have a time zone."""
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone may be any of many")
        self._milliseconds = (moment - _EPOCH) // _MILLISECOND
