"""Owns which channel a call goes by: another one as soon as the files of its certificate have changed."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from tokensvc_client.rpcs import Rpc

Channel = TypeVar("Channel")
_LOOK_EVERY: Final = 1.0  # seconds between looks at the files


@dataclass(eq=False)
class Connection(Generic[Channel]):
    """A channel, how many calls are under way on it, and what makes calls on it by the path of their method."""

    channel: Channel
    under_way: int = 0
    callables: dict[str, Any] = field(default_factory=dict)

    def callable_for(self, rpc: Rpc[Any, Any], kind: str) -> Any:
        """What makes calls of `rpc`, which is of the `kind` unary_unary or unary_stream."""
        made = self.callables.get(rpc.path)
        if made is None:
            make = getattr(self.channel, kind)
            write, read = rpc.request.SerializeToString, rpc.answer.FromString
            made = make(rpc.path, request_serializer=write, response_deserializer=read)
            self.callables[rpc.path] = made
        return made


class Connections(Generic[Channel]):
    """The connection that new calls take, and older ones for as long as calls are under way on them.

    Files that cannot be read, or whose parts do not fit, leave the connection as it is: they may be half replaced.
    """

    def __init__(
        self, open_channel: Callable[[], Channel], files: Sequence[Path], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`open_channel` reads `files`. Nothing is opened until the first call. `clock` answers seconds."""
        self._open = open_channel
        self._files = files
        self._clock = clock
        self._lock = threading.Lock()
        self._current: Connection[Channel] | None = None
        self._older: list[Connection[Channel]] = []
        self._seen: object = None
        self._look_at = 0.0
        self.is_closed = False

    def take(self) -> Connection[Channel]:
        """The connection for a call; to be given back. Fails with RuntimeError after `drain`, or as opening does."""
        with self._lock:
            if self.is_closed:
                raise RuntimeError("the client is closed")
            connection = self._current = self._fresh()
            connection.under_way += 1
            return connection

    def give_back(self, connection: Connection[Channel]) -> Sequence[Channel]:
        """A call is over; answers the channels that nobody needs any more, to be closed."""
        with self._lock:
            connection.under_way -= 1
            if not self._older:
                return []
            idle = [older.channel for older in self._older if not older.under_way]
            self._older = [older for older in self._older if older.under_way]
            return idle

    def drain(self) -> Sequence[Channel]:
        """Open nothing from now on; answer all channels, to be closed."""
        with self._lock:
            self.is_closed = True
            current = [self._current] if self._current is not None else []
            channels = [connection.channel for connection in (*current, *self._older)]
            self._current, self._older = None, []
            return channels

    def _fresh(self) -> Connection[Channel]:
        current, now = self._current, self._clock()
        if current is None:
            self._seen, self._look_at = self._look(), now + _LOOK_EVERY
            return Connection(self._open())
        if not self._files or now < self._look_at:
            return current
        self._look_at = now + _LOOK_EVERY
        seen = self._look()
        if seen == self._seen:
            return current
        try:
            renewed = Connection(self._open())
        except (OSError, ValueError):
            return current
        self._seen = seen
        self._older.append(current)
        return renewed

    def _look(self) -> object:
        try:
            stats = [file.stat() for file in self._files]
        except OSError:
            return self._seen
        return [(stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats]
