"""Owns whether the service says that it serves: as long as the store answers."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from tokensvc.domain.errors import RefusedError
from tokensvc.ports import Store

_EVERY = 1.0

_log = structlog.get_logger(__name__)


class Availability:
    """Asks the store every second, and announces each change between available and not."""

    def __init__(self, store: Store, announce: Callable[[bool], Awaitable[None]]) -> None:
        self._store = store
        self._announce = announce

    async def follow(self) -> None:
        """Announce that the service is available, and from then on what changes; ends when it is cancelled."""
        available = True
        await self._announce(available)
        while True:
            await asyncio.sleep(_EVERY)
            answers = await self._answers()
            if answers != available:
                available = answers
                _log.warning("available again" if available else "not available: the store does not answer")
                await self._announce(available)

    async def _answers(self) -> bool:
        try:
            await self._store.check()
        except RefusedError:
            return False
        return True
