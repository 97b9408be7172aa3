"""Owns turning protobuf messages into the dataclasses of this library and back, by the names of their fields.

A dataclass has the fields of its message, and what a field's type is says how it is turned: `datetime` (UTC) from a
Timestamp, `timedelta` from a Duration or from whole seconds, a tuple from what is repeated, a mapping from a Struct, an
enumeration from its number. With `| None` a field that is not set is None.
"""

import dataclasses
import functools
import operator
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final, Self, TypeVar

import grpc
from google.protobuf import duration_pb2, struct_pb2
from google.protobuf.message import Message

from tokensvc_client.errors import InvalidRequestError

T = TypeVar("T")
M = TypeVar("M", bound=Message)
_AS_IT_IS: Final = (str, int, bool, float, bytes)


class Enumeration(IntEnum):
    """An enumeration with the numbers of the contract. A number that is newer than this library is UNSPECIFIED."""

    @classmethod
    def _missing_(cls, value: object) -> Self:  # noqa: ARG003 - the number is not known
        return cls(0)


def read(kind: type[T], message: Message) -> T:
    """The dataclass `kind` with what `message` says."""
    dataclass: Any = kind
    return kind(*[get(message) for get in _readers(dataclass)])


def read_all(kind: type[T], messages: Iterable[Message]) -> tuple[T, ...]:
    """One dataclass for each message."""
    return tuple(read(kind, message) for message in messages)


def write(message: M, fields: Mapping[str, Any], within: str = "") -> M:
    """Set the fields of `message`, which stands `within` another, and answer it. None leaves a field unset.

    Fails with TypeError or ValueError; for half a character, which JSON may bring and nothing can carry, with
    InvalidRequestError.
    """
    for name, value in fields.items():
        if value is None:
            continue
        path = within + name
        with suppress(UnicodeEncodeError):  # which would repeat the text
            _set(message, name, value, path)
            continue
        raise InvalidRequestError("a text is no Unicode", code=grpc.StatusCode.INVALID_ARGUMENT, fields=(path,))
    return message


def struct_of(struct: struct_pb2.Struct) -> dict[str, Any]:
    """JSON as Python has it. A Struct knows no integers; numbers without a fraction are given back as such."""
    return {name: _json_of(value) for name, value in struct.fields.items()}


@functools.cache
def _readers(kind: Any) -> tuple[Callable[[Any], Any], ...]:
    """What reads each field, in their order."""
    hints = typing.get_type_hints(kind)
    return tuple(_reader(field.name, hints[field.name]) for field in dataclasses.fields(kind))


def _reader(name: str, hint: Any) -> Callable[[Any], Any]:
    arms = typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        read_present = _reader(name, arms[0])
        return lambda message: read_present(message) if message.HasField(name) else None
    is_repeated = typing.get_origin(hint) is tuple
    convert = _converter(arms[0] if is_repeated else hint)
    get = operator.attrgetter(name)
    if convert is None:
        return (lambda message: tuple(get(message))) if is_repeated else get
    if is_repeated:
        return lambda message: tuple(map(convert, get(message)))
    return lambda message: convert(get(message))


def _converter(hint: Any) -> Any:
    """What turns a value of the message into one of the type `hint`; None for one that stays as it is."""
    if hint in _AS_IT_IS:
        return None
    if hint is datetime:
        return lambda stamp: stamp.ToDatetime(UTC)
    if hint is timedelta:
        return lambda span: timedelta(seconds=span) if isinstance(span, int) else span.ToTimedelta()
    if typing.get_origin(hint) is Mapping:
        return struct_of
    return _reads(hint) if dataclasses.is_dataclass(hint) else hint


def _reads(kind: Any) -> Callable[[Any], Any]:
    return lambda message: read(kind, message)


def _json_of(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return struct_of(value.struct_value)
        case "list_value":
            return [_json_of(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _set(message: Message, name: str, value: Any, path: str) -> None:
    if isinstance(value, str | bytes | int | float):  # also an enumeration
        setattr(message, name, value)
        return
    part = getattr(message, name)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name}: a time needs a time zone")
        part.FromDatetime(value)
    elif isinstance(value, timedelta):
        part.CopyFrom(duration_pb2.Duration())  # also zero is said
        part.FromTimedelta(value)
    elif isinstance(value, Mapping):
        part.update(value)
    elif dataclasses.is_dataclass(value):
        part.SetInParent()
        write(part, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, path + ".")
    else:
        part.extend(value)
