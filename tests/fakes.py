"""Time and chance under the tests' control."""

import hashlib
from datetime import timedelta


class FakeClock:
    """Stands still until it is told to move; milliseconds since the epoch."""

    def __init__(self, now: int = 1_800_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, **spans: float) -> None:
        """Let time pass, as timedelta is told it; negative spans set the clock back."""
        self.now += round(timedelta(**spans) / timedelta(milliseconds=1))


class FakeRandomness:
    """The same sequence of bytes in every run."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed
        self._calls = 0

    def __call__(self, count: int) -> bytes:
        self._calls += 1
        return hashlib.shake_256(f"{self._seed}/{self._calls}".encode()).digest(count)
