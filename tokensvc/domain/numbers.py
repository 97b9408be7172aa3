"""Owns numbers that have travelled in a google.protobuf.Struct, which knows only doubles."""

from collections.abc import Mapping
from typing import Any


def whole(value: Any) -> Any:
    """The JSON `value` with whole numbers as integers again, in its members too."""
    if isinstance(value, Mapping):
        return {name: whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
