"""Owns answering several callers who wait for one outcome."""

import asyncio
from collections.abc import Iterable
from typing import TypeVar

from tokensvc.domain.errors import RefusedError

T = TypeVar("T")


def share(waiting: "Iterable[asyncio.Future[T]]", result: T) -> None:
    """Answer with `result` those who still wait."""
    for future in waiting:
        if not future.done():
            future.set_result(result)


def share_error(waiting: "Iterable[asyncio.Future[T]]", error: Exception) -> None:
    """Answer with `error` those who still wait: each with a copy of its own, because tracebacks must not mix."""
    own = error
    for future in waiting:
        if not future.done():
            future.set_exception(own)
            own = _copied(error) if isinstance(error, RefusedError) else error


def _copied(refusal: RefusedError) -> RefusedError:
    copied = RefusedError.__new__(RefusedError, *refusal.args)
    copied.__dict__.update(refusal.__dict__)
    copied.__cause__ = refusal.__cause__
    return copied
