"""Owns following the stream of revocations in a thread, and a second one that notices when nothing comes any more."""

import random
from logging import getLogger
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Final, Self

from tokensvc_client.revocations.clocks import Clock, elapsed
from tokensvc_client.revocations.feed import Feed
from tokensvc_client.revocations.following import (
    MOST_ENTRIES,
    BrokenStreamError,
    Following,
    Patience,
    TooManyError,
)
from tokensvc_client.revocations.source import RevocationSource, RevocationStream, StreamLostError
from tokensvc_client.revocations.view import NotUnderstoodError

_log: Final = getLogger(__name__)
_LOOKS_PER_SILENCE: Final = 10


class RevocationFeed(Feed):
    """Follows from `start` to `close`, or as a context manager. After a fork only the parent's goes on."""

    def __init__(
        self,
        source: RevocationSource,
        *,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        clock: Clock = elapsed,
        most: int = MOST_ENTRIES,
    ) -> None:
        """More than `most` live revocations are not followed: it is infinitely stale then, and says so in the log."""
        super().__init__(Following(random.random, patience, most), clock)
        self._source = source
        self._patience = patience
        self._changed = Condition()
        self._stopping = Event()
        self._stream: RevocationStream | None = None
        self._threads = [
            Thread(target=self._follow, name="tokensvc revocations", daemon=True),
            Thread(target=self._notice_silence, name="tokensvc revocations, silence", daemon=True),
        ]

    def start(self) -> Self:
        """Begin to follow, once."""
        for thread in self._threads:
            thread.start()
        return self

    def close(self) -> None:
        """Stop following. What is known stays as it is, and ages."""
        self._stopping.set()
        self._cut()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait_until_fresh(self, timeout: float, *, max_staleness: float = 1.0) -> None:
        """Wait until it is at most `max_staleness` seconds old; fails with TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.staleness <= max_staleness, timeout):
                raise TimeoutError(f"revocations are not known after {timeout} seconds")

    def _follow(self) -> None:
        while not self._stopping.is_set():
            refused = self._follow_one()
            self._stopping.wait(self._following.lost(refused=refused))

    def _follow_one(self) -> bool:
        """Follow one stream to its end; answer whether its revision was refused."""
        try:
            stream = self._source.watch_revocations(self._following.begin(self._clock()))
            self._stream = stream
            if self._stopping.is_set():  # `close` may have come too early to see this one
                stream.cancel()
            self._read(stream)
        except StreamLostError as lost:
            _log.warning("the stream of revocations was lost: %s", lost)
            return lost.refused
        except (BrokenStreamError, NotUnderstoodError) as error:
            _log.warning("the stream of revocations makes no sense: %s", error)
        except TooManyError as error:
            _log.error("revocations are not known: %s", error)
        except Exception:  # noqa: BLE001 - without this thread verifiers would accept nothing ever after
            _log.exception("the stream of revocations cannot be followed")
        return False

    def _read(self, stream: RevocationStream) -> None:
        try:
            for message in stream:
                with self._changed:
                    goes_on = self._following.receive(message, self._clock())
                    self._changed.notify_all()
                if not goes_on:
                    return
        finally:
            stream.cancel()

    def _notice_silence(self) -> None:
        shortest = self._patience.silence / _LOOKS_PER_SILENCE
        while not self._stopping.wait(max(self._following.dead_at() - self._clock(), shortest)):
            if self._following.dead_at() <= self._clock():
                self._cut()

    def _cut(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
