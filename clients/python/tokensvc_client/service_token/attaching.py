"""Owns what both kinds of interceptors need: how a token is put into metadata, and how much time is left."""

from collections.abc import Iterable
from typing import Any, Final

_KEY: Final = "authorization"


def brings_its_own(metadata: Iterable[tuple[str, Any]] | None) -> bool:
    """Whether a call says by itself who calls: then it is left as it is."""
    return any(key == _KEY for key, _ in metadata or ())


def with_token(metadata: Iterable[tuple[str, Any]] | None, token: str) -> tuple[tuple[str, Any], ...]:
    """The metadata of a call with `token`."""
    return (*(metadata or ()), (_KEY, f"Bearer {token}"))


def left(timeout: float | None, elapsed: float) -> float | None:
    """Seconds that a call has left of its `timeout`; None is no limit."""
    return None if timeout is None else max(timeout - elapsed, 0.0)
