"""Owns reading the values of claims by their exact types: another type raises TypeError, nothing is guessed."""

import math
from typing import Final

_LATEST: Final = 2**53  # NumericDate and revisions beyond it are not exact in JSON


def text(value: object, *, empty: bool = False) -> str:
    """Answer `value` if it is a text, and not `empty` unless it may be."""
    if not isinstance(value, str) or not (value or empty):
        raise TypeError
    return value


def texts(value: object) -> tuple[str, ...]:
    """Answer the entries of `value` if it is a list of texts with at least one."""
    if not isinstance(value, list) or not value:
        raise TypeError
    return tuple(map(text, value))


def seconds(value: object) -> int:
    """Answer `value` if it is a whole number that JSON can hold exactly: of seconds, or a revision."""
    if type(value) is not int or not 0 <= value < _LATEST:  # bool is an int to isinstance
        raise TypeError
    return value


def milliseconds(value: object) -> int:
    """Answer in milliseconds what is written in seconds, with or without a fraction."""
    if type(value) is int:
        return seconds(value) * 1000
    if type(value) is not float or not math.isfinite(value) or not 0 <= value < _LATEST:
        raise TypeError
    return round(value * 1000)
