"""Time and chance under the tests' control."""

import hashlib


class FakeClock:
    """Stands still until it is told to move; milliseconds since the epoch."""

    def __init__(self, now: int = 1_800_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, *, seconds: float = 0, days: float = 0) -> None:
        """Move by that much; negative values set the clock back."""
        self.now += round((seconds + days * 86_400) * 1000)


class FakeRandomness:
    """The same sequence of bytes in every run."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed
        self._calls = 0

    def __call__(self, count: int) -> bytes:
        self._calls += 1
        return hashlib.shake_256(f"{self._seed}/{self._calls}".encode()).digest(count)
