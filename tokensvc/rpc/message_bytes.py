"""Owns what becomes of bytes that should be a message and are none: the caller is told so like of any bad request."""

from collections.abc import Callable

from google.protobuf.message import DecodeError, Message

from tokensvc.domain.errors import Reason, RefusedError


def deserializer(message_class: type[Message]) -> Callable[[bytes], Message | None]:
    """What reads a message for gRPC: None for bytes that are none, because only a handler can answer with details."""

    def deserialize(data: bytes) -> Message | None:
        try:
            return message_class.FromString(data)
        except DecodeError:
            return None

    return deserialize


def not_a_message() -> RefusedError:
    """The refusal of bytes that are not a message of the method's type."""
    return RefusedError(Reason.INVALID_REQUEST, "the request is not a message of the method's type")
