"""Owns the process of watchers that judge nothing: their streams load the server, and cost this side very little."""

import select
import time
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

from tokensvc_pb.v1 import token_service_pb2 as pb

from bench import http2
from bench.cases import SERVICE
from bench.client.watching import Watched
from bench.load import Caller

_PATH: Final = SERVICE + "WatchRevocations"
_HEAD: Final = 5  # bytes before each message: whether it is compressed, and its length
_PATIENCE: Final = 30.0  # seconds


@dataclass(slots=True)
class _Stream:
    """A stream on a connection of its own, and what has come on it."""

    connection: http2.Connection
    number: int
    data: bytes = b""
    known: int = 0
    revision: int = -1

    def fileno(self) -> int:
        """The socket, for select."""
        return self.connection.fileno()

    def read(self) -> None:
        """Read the messages that are whole."""
        data, start = self.data + self.connection.taken(self.number), 0
        while start + _HEAD <= len(data):
            end = start + _HEAD + int.from_bytes(data[start + 1 : start + _HEAD], "big")
            if end > len(data):
                break
            message = pb.WatchRevocationsResponse.FromString(data[start + _HEAD : end])
            self.known += len(message.revocations)
            self.revision = message.revision
            start = end
        self.data = data[start:]


def run(pipe: Connection, caller: Caller, streams: int) -> None:
    """Say when all streams have begun; be told the last revision; answer with a Watched."""
    request = pb.WatchRevocationsRequest().SerializeToString()
    with ExitStack() as stack:
        watchers: list[_Stream] = []
        for _ in range(streams):
            connection = stack.enter_context(caller.connect(_PATH))
            watchers.append(_Stream(connection, connection.submit(b"\0" + len(request).to_bytes(4, "big") + request)))
            connection.send()
        _drain(watchers, 0)
        pipe.send("ready")
        began = time.process_time()
        _drain(watchers, None, pipe)
        cpu = time.process_time() - began  # what the others are compared with is read at the end
        _drain(watchers, pipe.recv())
        pipe.send(Watched([], [watcher.known for watcher in watchers], cpu))


def _drain(watchers: list[_Stream], revision: int | None, until: Connection | None = None) -> None:
    """Let come what comes, until something comes from the pipe, or else until all have reached the `revision`."""
    over_at = time.monotonic() + _PATIENCE
    sources: list[_Stream | Connection] = [*watchers, *([until] if until else [])]
    while revision is None or any(watcher.revision < revision for watcher in watchers):
        if revision is not None and time.monotonic() > over_at:
            raise TimeoutError(f"not all streams reached revision {revision} in {_PATIENCE} s")
        for ready in select.select(sources, [], [], 1.0)[0]:
            if not isinstance(ready, _Stream):
                return
            ready.connection.exchange()
            if revision is not None:
                ready.read()
        if revision is not None:
            for watcher in watchers:
                watcher.read()
