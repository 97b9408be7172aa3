"""Owns the pages of lists."""

import base64
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from tokensvc_client.testing.errors import invalid

T = TypeVar("T")

_DEFAULT: Final = 100
_LARGEST: Final = 1000


def page_of(found: Sequence[T], size: int, token: str, name_of: Callable[[T], str]) -> tuple[Sequence[T], str]:
    """The page that begins behind what `token` names, and the token of the next one, empty at the end."""
    if not 0 <= size <= _LARGEST:
        raise invalid("page_size", f"page_size is not 0 to {_LARGEST}")
    tokens = [base64.urlsafe_b64encode(name_of(one).encode()).decode() for one in found]
    if token and token not in tokens:
        raise invalid("page_token", "page_token is not one of this service's")
    begin = tokens.index(token) + 1 if token else 0
    end = begin + (size or _DEFAULT)
    return found[begin:end], tokens[end - 1] if end < len(tokens) else ""
