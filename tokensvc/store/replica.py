"""Owns answering from a read-only copy of the database where a stale view is permitted, and how old the copy is."""

import asyncio

import structlog
from sqlalchemy import Connection

from tokensvc.domain.view import View
from tokensvc.ports import Clock
from tokensvc.store.database import Database
from tokensvc.store.follower import Follower
from tokensvc.store.leases import LAST_BEAT

# By how much the clocks of two nodes may differ, in milliseconds; NTP keeps them closer. The age of a copy is told by
# the clock of one node and judged by that of another.
SKEW = 250

_log = structlog.get_logger(__name__)

_PATIENCE = 0.2  # seconds after which the primary is asked instead
_REST = 1.0  # seconds for which a copy that was of no use is left alone


class Replica:
    """A copy that follows the database, and tells by the beat what it has.

    A copy that shows a beat shows everything that was committed before the beat was written. So its view is at most as
    old as the beat, plus what the clocks may differ.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._follower = Follower(database, clock, as_of=_last_beat)
        self._rests_until = 0.0
        self.lag: int | None = None
        """By how much it was behind at the last look, at most, in milliseconds; None if it did not answer."""

    async def view(self, *, min_revision: int, max_staleness: int) -> View | None:
        """A view as `Store.view` has to answer it; None if the copy has none that is new enough, or not in time."""
        view = self._follower.recent(min_revision=min_revision, max_staleness=max_staleness)
        if view is not None or asyncio.get_running_loop().time() < self._rests_until:
            return view
        await self._look()
        view = self._follower.recent(min_revision=min_revision, max_staleness=max_staleness)
        if view is None:
            self._rests_until = asyncio.get_running_loop().time() + _REST
        return view

    async def close(self) -> None:
        """Let go of the copy."""
        await self._database.close()

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._follower.look()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the copy, the database itself can answer
            self.lag = None
            _log.warning("the replica did not answer", error=str(getattr(error, "orig", error)) or type(error).__name__)
        else:
            self.lag = self._follower.age


def _last_beat(connection: Connection, _now: int) -> int:
    return (connection.execute(LAST_BEAT).scalar() or 0) - SKEW
