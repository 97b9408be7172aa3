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
    """Answer with `error` those who still wait: with a refusal of its own each, as tracebacks must not mix."""
    for future in waiting:
        if not future.done():
            future.set_exception(_own(error) if isinstance(error, RefusedError) else error)


def _own(refusal: RefusedError) -> RefusedError:
    own = RefusedError(refusal.reason, refusal.message, refusal.field, is_recorded=refusal.is_recorded)
    own.__cause__ = refusal.__cause__
    return own
