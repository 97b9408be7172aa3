"""Owns messages as bytes: how long requests may be, and what becomes of bytes that should be one and are none."""

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from tokensvc.domain.errors import Reason, RefusedError

READ_FOR_ALL: Final = 16 * 1024
"""Bytes of a request that is read whoever sends it; a longer one is read when its caller is recognised."""

MOST_BYTES: Final = 128 * 1024
"""Bytes of a request: names and claims at their limits, and room to grow."""

MOST_BYTES_WITH_A_TOKEN: Final = 2 * 1024 * 1024
"""Bytes of a request about a token: what is far too long to be one is answered as any other that is none."""

MOST_BYTES_OF_ANY: Final = 8 * 1024 * 1024
"""Bytes of a request with a thousand tokens, which no method exceeds: gRPC itself refuses what is longer."""


Read = Callable[[bytes], Message]
"""Reads a request for its method; raises DecodeError for bytes that are none."""


def writer(message_class: type[Message]) -> Callable[[Any], bytes]:
    """What writes an answer for gRPC: a message of this class, or one as bytes."""
    write = message_class.SerializeToString

    def serialize(answer: Any) -> bytes:
        return answer if isinstance(answer, bytes) else write(answer)

    return serialize


def check_length(data: bytes, most: int) -> None:
    """Refuse a request of more than `most` bytes."""
    if len(data) > most:
        raise RefusedError(Reason.INVALID_REQUEST, "the request is longer than any of the method's can be")


def deserializer(message_class: type[Message]) -> Callable[[bytes], Message | None]:
    """What reads a message for gRPC: None for bytes that are none, because only a handler can answer with details."""

    def deserialize(data: bytes) -> Message | None:
        try:
            return message_class.FromString(data) if len(data) <= READ_FOR_ALL else None
        except DecodeError:
            return None

    return deserialize


def not_a_message() -> RefusedError:
    """The refusal of bytes that are not a message of the method's type."""
    return RefusedError(Reason.INVALID_REQUEST, "the request is not a message of the method's type")
