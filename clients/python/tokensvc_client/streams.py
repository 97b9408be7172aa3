"""Owns the streams that a client gives out."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from google.protobuf.message import Message

from tokensvc_client.blocking import blocking, drive
from tokensvc_client.values.audit import AuditEvent

T = TypeVar("T")
_AFTER_KEY: Final = "tokensvc-after-sequence"


class Source(Protocol):
    """Where a stream comes from."""

    async def header(self) -> Mapping[str, str]:
        """What is said before the first answer."""

    async def read(self) -> Message | None:
        """The next answer; None at the end."""

    def cancel(self) -> None:
        """End it."""


class Stream(Generic[T]):
    """What the service sends, one after the other, until it ends or fails with TokenServiceError.

    As an asynchronous context manager it is cancelled at the end of the block.
    """

    def __init__(self, source: Source, convert: Callable[[Any], T]) -> None:
        self._source = source
        self._convert = convert

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        answer = await self._source.read()
        if answer is None:
            raise StopAsyncIteration
        return self._convert(answer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End the stream; who waits for the next item is told that there is none."""
        self._source.cancel()


class AuditEvents(Stream[AuditEvent]):
    """Audit events as they are committed."""

    async def position(self) -> int:
        """From where to resume while no event has come; waits until the stream has begun. Zero where it is refused."""
        header = await self._source.header()
        return int(header.get(_AFTER_KEY, 0))


class BlockingStream(Generic[T]):
    """The same for threads: any of them may cancel it. As a context manager it is cancelled at the end of the block."""

    def __init__(self, wrapped: Stream[T]) -> None:
        self._wrapped: Any = wrapped

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            item: T = drive(self._wrapped.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End the stream; who waits for the next item is told that there is none."""
        self._wrapped.cancel()


class BlockingAuditEvents(BlockingStream[AuditEvent]):
    """The same for threads."""

    position = blocking(AuditEvents.position)
