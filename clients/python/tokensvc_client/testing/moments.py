"""Owns the times in messages: moments and spans are milliseconds here, Timestamp and Duration there."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(moment: int) -> Timestamp:
    """The Timestamp of a moment."""
    message = Timestamp()
    message.FromMilliseconds(moment)
    return message


def duration(span: int) -> Duration:
    """The Duration of a span."""
    message = Duration()
    message.FromMilliseconds(span)
    return message


def milliseconds_in(message: Message, field: str) -> int | None:
    """The Timestamp or Duration in `field`; None if it is absent."""
    if not message.HasField(field):
        return None
    value: Timestamp | Duration = getattr(message, field)
    return value.ToMilliseconds()
