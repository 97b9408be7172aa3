"""Owns reading JSON objects, and what is in them by exact types: nothing is converted or guessed (RFC 8725, 2.4).

What a member is not, the readers of members say by TypeError.
"""

import json
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

JsonObject = dict[str, object]

_LATEST: Final = 2**53  # numbers beyond it are not exact in JSON
_MAX_DEPTH: Final = 64
_STRUCTURE: Final = re.compile(
    rb'"(?:[^"\\]|\\.)*+"?|[{\[]|[}\]]', re.DOTALL
)  # a text that does not end goes on to the end


def read_object(data: bytes | None) -> JsonObject | None:
    """Read a JSON object in UTF-8; None if it is none, names a member twice, or is nested too deeply."""
    if data is None or _is_deep(data):
        return None
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text(value: object, *, empty: bool = False) -> str:
    """A text, not empty unless that may be."""
    if not isinstance(value, str) or not (value or empty):
        raise TypeError
    return value


def texts(value: object) -> tuple[str, ...]:
    """A list of texts, at least one."""
    if not isinstance(value, list) or not value:
        raise TypeError
    return tuple(map(text, value))


def whole(value: object) -> int:
    """A whole number that is not negative: a revision, or a moment in seconds."""
    if type(value) is not int or not 0 <= value < _LATEST:  # bool is an int to isinstance
        raise TypeError
    return value


def milliseconds(value: object) -> int:
    """A NumericDate, which may have a fraction (RFC 7519, 2), in milliseconds."""
    if type(value) is int:
        return whole(value) * 1000
    if type(value) is not float or not math.isfinite(value) or not 0 <= value < _LATEST:
        raise TypeError
    return round(value * 1000)


def frozen(value: object) -> object:
    """The same value, which nobody can change any more: lists as tuples, objects as read-only mappings."""
    if isinstance(value, dict):
        return frozen_object(value)
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def frozen_object(value: Mapping[str, object]) -> Mapping[str, object]:
    """The same of an object."""
    return MappingProxyType({name: frozen(member) for name, member in value.items()})


def _is_deep(data: bytes) -> bool:
    if data.count(b"{") + data.count(b"[") <= _MAX_DEPTH:  # as nearly always
        return False
    depth = deepest = 0
    for token in _STRUCTURE.findall(data):
        depth += (token in b"{[") - (token in b"}]")
        deepest = max(deepest, depth)
    return deepest > _MAX_DEPTH


def _distinct(pairs: list[tuple[str, object]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_refuse_constant)
