"""Owns the view of the log that a node answers from, and how fresh it is."""

import asyncio

from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.view import View
from tokensvc.ports import Clock
from tokensvc.store.database import Database
from tokensvc.store.log_reader import Tail, advance, read_tail, read_view

_FORGET_EVERY = 60_000


class Follower:
    """Follows the log. A reader gets a view that was compared with the database after the reader arrived.

    Readers that wait at the same moment share one look at the database.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._view: View | None = None
        self._seen_version: int | None = None
        self._synchronised_at = 0
        self._forget_at = 0
        self._lock = asyncio.Lock()
        self._begun = 0  # looks at the database so far, and the last of them that succeeded
        self._succeeded = 0

    async def view(self, *, min_revision: int, max_staleness: int) -> View:
        """As `Store.view`."""
        view = self._view
        fresh_enough = self._clock() - self._synchronised_at <= max_staleness if max_staleness else False
        if view is None or view.revision < min_revision or not fresh_enough:
            view = await self._synchronised()
        if view.revision < min_revision:
            raise RefusedError(Reason.STORE_UNAVAILABLE, "the log has not reached min_revision")
        return view

    async def _synchronised(self) -> View:
        version = self._database.data_version()
        view = self._view
        if view is None or version is None or version != self._seen_version:
            arrived = self._begun
            async with self._lock:
                # A look that began while this reader stood in line has seen all that the reader must see.
                if self._view is None or self._succeeded <= arrived:
                    return await self._look()
                return self._view
        self._synchronised_at = self._clock()
        return view

    async def _look(self) -> View:
        self._begun += 1
        number, began = self._begun, self._clock()
        version = self._database.data_version()  # before the read: a commit in between is then looked at again
        view = self._view
        tail = await self._tail(view.revision) if view else None
        if view is None or tail is None:
            view = await self._database.read(lambda connection: read_view(connection, began))
        else:
            self._take(view, tail, began)
        self._view, self._seen_version, self._synchronised_at, self._succeeded = view, version, began, number
        return view

    async def _tail(self, after: int) -> Tail | None:
        return await self._database.read(lambda connection: read_tail(connection, after))

    def _take(self, view: View, tail: Tail, now: int) -> None:
        advance(view, tail)
        if now >= self._forget_at:
            view.forget(now)
            self._forget_at = now + _FORGET_EVERY
