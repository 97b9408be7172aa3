"""Owns whether the service says that it serves: as long as the store answers."""

import asyncio
from typing import Protocol

import structlog

from tokensvc.domain.errors import RefusedError
from tokensvc.ports import Store

_EVERY = 1.0

_log = structlog.get_logger(__name__)


class Announce(Protocol):
    """Tells the world."""

    async def __call__(self, *, available: bool) -> None:
        """Say whether the service is available."""


class Availability:
    """Asks the store every second, and announces each change between available and not."""

    def __init__(self, store: Store, announce: Announce) -> None:
        self._store = store
        self._announce = announce

    async def follow(self) -> None:
        """Announce changes until cancelled. The service begins as available: who gets so far has read the database."""
        available = True
        while True:
            await asyncio.sleep(_EVERY)
            answers = await self._answers()
            if answers != available:
                available = answers
                _log.warning("available again" if available else "not available: the store does not answer")
                await self._announce(available=available)

    async def _answers(self) -> bool:
        try:
            await self._store.check()
        except RefusedError:
            return False
        return True
