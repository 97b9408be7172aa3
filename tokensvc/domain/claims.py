"""Owns reading the claims of a JWT by their exact types (RFC 7519, 4): nothing is converted or guessed.

What is not of its type raises TypeError.
"""

import math
from typing import Final

Claims = dict[str, object]

_LATEST: Final = 2**53  # NumericDate and revisions beyond it are not exact in JSON


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


def seconds(value: object) -> int:
    """A whole number that is not negative."""
    if type(value) is not int or not 0 <= value < _LATEST:  # bool is an int to isinstance
        raise TypeError
    return value


def milliseconds(value: object) -> int:
    """A NumericDate, in milliseconds: it counts seconds and may have a fraction (RFC 7519, 2)."""
    if type(value) is int:
        return seconds(value) * 1000
    if type(value) is not float or not math.isfinite(value) or not 0 <= value < _LATEST:
        raise TypeError
    return round(value * 1000)
