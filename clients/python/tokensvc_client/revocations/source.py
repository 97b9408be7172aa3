"""Owns where feeds get the stream of revocations from: what they need of a client, and nothing more."""

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from tokensvc_pb.v1 import token_service_pb2 as pb


class StreamLostError(Exception):
    """The stream is over. If the revision was `refused`, asking for it again does not help."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class RevocationStream(Protocol):
    """A stream that is under way; it ends, or fails with StreamLostError."""

    def __iter__(self) -> Iterator[pb.WatchRevocationsResponse]: ...

    def cancel(self) -> object:
        """End it, from any thread: whoever waits for a message is told. Of one that is over nothing more is ended."""


class AsyncRevocationStream(Protocol):
    """The same for asyncio."""

    def __aiter__(self) -> AsyncIterator[pb.WatchRevocationsResponse]: ...

    def cancel(self) -> object:
        """End it."""


class RevocationSource(Protocol):
    """Whoever can open streams, without waiting for the first message. Fails with StreamLostError where it cannot."""

    def watch_revocations(self, from_revision: int) -> RevocationStream:
        """Go on after `from_revision`; zero begins with a snapshot."""


class AsyncRevocationSource(Protocol):
    """The same for asyncio."""

    def watch_revocations(self, from_revision: int) -> AsyncRevocationStream:
        """Go on after `from_revision`; zero begins with a snapshot."""
