"""Owns the state machine of following the stream of revocations: no thread, no connection and no clock of its own.

**How old is what it knows?** A message says when the server had looked at the log (`looked_at`), by the server's clock.
`synchronised_at` is that moment by the clock of this process, and errs to the past:

- The first look that a stream tells of counts as made when the stream was asked for. It knows of all that was before.
  If it took long to come, nobody knows on which way it has waited: then the stream is asked for anew from where it is,
  because that is answered at once.
- The later ones count from that first one, by the difference that the server's clock tells. So what lay in a buffer, or
  waited while this process was stopped, is not taken for new.
- The two clocks may run apart. So the difference may grow by a thousandth, which is more than clocks are steered by, up
  to the moment at which the message came: in the long run a view can look fresher than it is by the shortest time that
  messages are under way, a network's latency.
- If the server's clock is set forward, no look counts as made later than its message came; if it is set back, the
  stream is asked for anew.

**What has expired?** The same looks say, because the server sets the ends of its entries; but the moment that counts
goes on as the clock of this process does, which is never set, and is put back alone. So no clock that is wrong for a
while, here or there, has an entry forgotten that some token still needs.

**How much is known?** At most so many entries, of the view and of a snapshot under way each. A log that has more is not
followed: nothing counts as known then.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.revocations.view import RevocationView

_DRIFT: Final = 1e-3  # seconds by which two clocks may run apart in a second
_SET_BACK: Final = 0.5  # seconds: by less, looks of several threads of the server may be out of order
_LONG: Final = (
    0.5  # seconds from a request to its first look, which all looks of that stream may look older than they are
)
_SWEEP: Final = 1.0  # seconds between two steps of forgetting
_FROM_A_SNAPSHOT: Final = 0
_MOST_DOUBLINGS: Final = 30
MOST_ENTRIES: Final = 5_000_000
"""Revocations that are followed unless more are wanted: about 250 MB, twice that while a snapshot replaces a view."""


class BrokenStreamError(Exception):
    """The stream says what cannot follow what it has said before."""


class TooManyError(Exception):
    """There are more live revocations than may be kept here."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds: before trying again (`first`, then longer, at most `longest`), and in `silence`.

    A stream on which nothing came for as long as `silence` is taken for dead: that should be several heartbeats. One
    that has lived for as long is taken for sound, so that the wait after it is the first again.
    """

    first: float = 0.1
    longest: float = 10.0
    silence: float = 5.0


class Following:
    """What is known, and what to ask for next. One thread or task calls `begin`, `receive` and `lost`; any may read.

    `view` is never missing something that was answered before `synchronised_at`. That is minus infinity before the
    first snapshot is complete, and while there are more than `most` entries. `key_changes` counts how often the signing
    keys may have changed.
    """

    def __init__(self, random: Callable[[], float], patience: Patience, most: int = MOST_ENTRIES) -> None:
        """`random` answers numbers from 0 to 1."""
        self._random = random
        self._patience = patience
        self._most = most
        self.view = RevocationView()
        self.revision = 0
        self.synchronised_at = -math.inf
        self.key_changes = 0
        self._failures = 0
        self._begun_at = self._heard_at = 0.0
        self._snapshot: RevocationView | None = None
        self._anew = True
        self._looks: _Looks | None = None
        self._swept_at = -math.inf
        self._ahead = math.inf  # of the server's clock, at least, for what has expired

    def begin(self, now: float) -> int:
        """A stream is asked for `now`: the revision that it has to go on from."""
        self._begun_at = self._heard_at = now
        self._looks = None
        if self._anew or self.revision == _FROM_A_SNAPSHOT:
            self._snapshot = RevocationView()
            return _FROM_A_SNAPSHOT
        self._snapshot = None
        return self.revision

    def receive(self, message: pb.WatchRevocationsResponse, now: float) -> bool:
        """A message came `now`.

        Answers whether to go on reading; if not, the stream is to be cancelled. Fails with BrokenStreamError,
        TooManyError or NotUnderstoodError. In all four cases `lost` is to be told.
        """
        self._heard_at = now
        if now - self._begun_at >= self._patience.silence:
            self._failures = 0
        view = self.view if self._snapshot is None else self._snapshot
        if view.size + len(message.revocations) > self._most:
            self._give_up()
        for revocation in message.revocations:
            view.apply(revocation)
        if message.HasField("looked_at"):
            self._complete(message, view, now)
        else:
            self._go_on(message)
        if now - self._swept_at >= _SWEEP:
            self._swept_at = now
            self.view.forget(now + self._ahead)
        return self._looks is None or self._looks.is_close

    def _give_up(self) -> None:
        """The view stays, for those who judge by it at this moment, but nothing counts as known any more."""
        self.synchronised_at = -math.inf
        self._snapshot, self._anew, self._failures = None, True, _MOST_DOUBLINGS
        raise TooManyError(f"there are more than {self._most} live revocations")

    def _go_on(self, message: pb.WatchRevocationsResponse) -> None:
        """A part of more, which has no revision yet if it is of a snapshot."""
        self.key_changes += message.keys_changed
        if self._snapshot is None:
            self.revision = max(self.revision, message.revision)

    def _complete(self, message: pb.WatchRevocationsResponse, view: RevocationView, now: float) -> None:
        is_snapshot = view is not self.view
        if not is_snapshot and message.revision < self.revision:
            self._anew = True  # another database, or an older copy of it
            raise BrokenStreamError(f"the log is at revision {message.revision}, and was at {self.revision}")
        looked_at = message.looked_at.seconds + message.looked_at.nanos / 1e9
        if self._looks is None:
            self._looks = _Looks(looked_at, self._begun_at, is_close=now - self._begun_at <= _LONG)
        synchronised_at = self._looks.local(looked_at, now)
        # In this order: whoever reads that it is synchronised finds what it is synchronised to, and knows of the keys.
        if message.keys_changed or is_snapshot:
            self.key_changes += 1
        self.view, self.revision = view, message.revision
        self._ahead = min(looked_at - now, math.inf if is_snapshot else self._ahead)
        self._snapshot, self._anew = None, False
        self.synchronised_at = max(synchronised_at, self.synchronised_at)

    def lost(self, *, refused: bool = False) -> float:
        """The stream is over: how many seconds to wait before the next `begin`.

        If the server `refused` the revision, the next one begins with a snapshot; the view stays as it is until that is
        complete, and ages.
        """
        self._anew = self._anew or refused
        wait = min(self._patience.first * 2.0 ** min(self._failures, _MOST_DOUBLINGS), self._patience.longest)
        self._failures += 1
        return wait * (0.5 + self._random() / 2)

    def dead_at(self) -> float:
        """When the present stream is to be taken for dead, unless something comes before."""
        return self._heard_at + self._patience.silence


class _Looks:
    """The moments of one stream's looks, by the clock of this process, which is `ahead` of the server's."""

    def __init__(self, first: float, counts_as: float, *, is_close: bool) -> None:
        """The `first` one counts as made at a moment, which `is_close` to that at which it was made."""
        self.is_close = is_close
        self._last = first
        self._ahead = counts_as - first

    def local(self, looked_at: float, received_at: float) -> float:
        """When the server `looked_at` the log, never later than the message was received."""
        passed = looked_at - self._last
        if passed < -_SET_BACK:
            raise BrokenStreamError("the server's clock was set back")
        self._last = max(looked_at, self._last)
        self._ahead = min(received_at - looked_at, self._ahead + max(passed, 0.0) * _DRIFT)
        return min(looked_at + self._ahead, received_at)
