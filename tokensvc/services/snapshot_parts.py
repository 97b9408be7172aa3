"""Owns the parts of a snapshot of the revocation log that are kept for a moment, because many may begin together."""

from collections import OrderedDict
from typing import Final

from tokensvc.domain.value import value

MOST_BYTES: Final = 64 * 1024 * 1024
_KEPT_FOR: Final = 30.0  # seconds


@value(frozen=True, slots=True)
class WrittenPart:
    """A part of a snapshot as watchers get it: what is in the log up to the revision `reached`."""

    written: bytes
    reached: int


class SnapshotParts:
    """Parts by the revision that each begins behind. What was written to the log does not change any more."""

    def __init__(self) -> None:
        self._parts: OrderedDict[int, tuple[float, WrittenPart]] = OrderedDict()  # the oldest first
        self._bytes = 0

    def get(self, after: int) -> WrittenPart | None:
        """The part behind `after`, if it is kept."""
        return self._parts[after][1] if after in self._parts else None

    def keep(self, after: int, part: WrittenPart, now: float) -> None:
        """Keep a part that is not kept yet; the oldest ones make room."""
        self._parts[after] = (now, part)
        self._bytes += len(part.written)
        while self._bytes > MOST_BYTES:
            self._drop_oldest()

    def drop_old(self, now: float) -> None:
        """Let go of what has been kept for long enough; `now` is in seconds."""
        while self._parts and next(iter(self._parts.values()))[0] + _KEPT_FOR < now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, (_, part) = self._parts.popitem(last=False)
        self._bytes -= len(part.written)
