"""Owns the view of the log that a node answers from, and how fresh it is."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.keys import StoredKey
from tokensvc.domain.view import View
from tokensvc.ports import Clock
from tokensvc.sharing import share, share_error
from tokensvc.store.database import Database
from tokensvc.store.log_reader import Tail, TailReader, advance, begin_reading, read_page

_FORGET_EVERY = 60_000
_SEVERAL = 3

AsOf = Callable[[Connection, int], int]
"""Answers from when the state is that a look finds; it is asked first, with the moment at which the look began."""

TellKeys = Callable[[Sequence[StoredKey]], Awaitable[None]]
"""Is told of all keys when any has changed; never fails."""


async def _tell_nobody(_keys: Sequence[StoredKey]) -> None:
    """What happens until somebody watches."""


@dataclass(slots=True)
class FollowCounts:
    """What a follower has done since it began: views that it answered, and reads of the log for them."""

    looks: int = 0
    reads: int = 0


class Follower:
    """Follows the log. A reader gets a view that was compared with the database after the reader arrived.

    Readers that the event loop has ready in the same moment share one comparison, and those that wait for a look at the
    log share one look: at most one is under way and one is to come. While several share them, the next one lingers for
    `linger` seconds, so that more do; one that few wait for never does.
    """

    def __init__(
        self, database: Database, clock: Clock, as_of: AsOf = lambda _connection, began: began, *, linger: float = 0
    ) -> None:
        self._database = database
        self._tails = TailReader(database.dialect)
        self._linger = linger
        self._clock = clock
        self._as_of = as_of
        self._view: View | None = None
        self._seen_version: int | None = None
        self._synchronised_at = 0
        self._forget_at = 0
        self._compared = False  # in this pass of the event loop
        self._waiting: list[asyncio.Future[View]] = []  # for the look to come
        self._looking: asyncio.Task[None] | None = None
        self._tell_keys: TellKeys = _tell_nobody
        self.told_keys: Sequence[StoredKey] | None = None
        """What `watch_keys` was told last."""
        self.counts = FollowCounts()

    @property
    def age(self) -> int:
        """How old the view may be, in milliseconds; negative when a clock was set back, then it says nothing."""
        return self._clock() - self._synchronised_at

    def watch_keys(self, tell: TellKeys) -> None:
        """As `Store.watch_keys`."""
        self._tell_keys = tell

    async def view(self, *, min_revision: int, max_staleness: int) -> View:
        """As `Store.view`."""
        self.counts.looks += 1
        view = self.recent(min_revision=min_revision, max_staleness=max_staleness) or self._unchanged()
        view = view or await self.look()
        if view.revision < min_revision:
            raise RefusedError(Reason.STORE_UNAVAILABLE, "the log has not reached min_revision")
        return view

    def recent(self, *, min_revision: int, max_staleness: int) -> View | None:
        """Answer the view that is there already, if it is new enough."""
        view = self._view
        if view is None or view.revision < min_revision or not max_staleness or not 0 <= self.age <= max_staleness:
            return None
        return view

    def _unchanged(self) -> View | None:
        """Answer the view if the database holds nothing newer; None if that takes a look."""
        if self._compared or self._view is None:
            return self._view
        began = self._clock()
        # What the loop runs in this pass had arrived before the comparison; what the next pass runs may not have.
        asyncio.get_running_loop().call_soon(self._compare_again)
        version = self._database.data_version()
        if version is None or version != self._seen_version:
            return None
        self._compared, self._synchronised_at = True, began
        return self._view

    def _compare_again(self) -> None:
        self._compared = False

    async def look(self) -> View:
        """Answer the view after a look that begins after this call."""
        future: asyncio.Future[View] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_in_turn())
        return await future

    async def _look_in_turn(self) -> None:
        try:
            await self._look_for_all()
            while self._waiting:
                if self._linger and len(self._waiting) >= _SEVERAL:
                    await asyncio.sleep(self._linger)
                await self._look_for_all()
        finally:
            self._looking = None

    async def _look_for_all(self) -> None:
        """One look for those who wait by now; who comes later waits for the next."""
        waiting, self._waiting = self._waiting, []
        try:
            view = self._unchanged() or await self._look()
        except Exception as error:  # noqa: BLE001 - what it is concerns the readers
            share_error(waiting, error)
        else:
            share(waiting, view)

    async def _look(self) -> View:
        self.counts.reads += 1
        began = self._clock()
        version = self._database.data_version()  # before the read: a commit in between is then looked at again
        known = self._view
        as_of, tail = await self._tail(known.revision, began) if known else (began, None)
        if known is None or tail is None:
            as_of, view = await self._read_everything(began)
            await self._tell(view.keys)
        else:
            if tail.keys is not None:
                await self._tell(tail.keys)
            view = self._take(known, tail, began)
        self._view, self._seen_version, self._synchronised_at = view, version, as_of
        return view

    async def _tell(self, keys: Sequence[StoredKey]) -> None:
        """Before the view gets to know of them: while this waits, the view is answered where staleness is permitted."""
        await self._tell_keys(keys)
        self.told_keys = keys

    async def _tail(self, after: int, began: int) -> tuple[int, Tail | None]:
        """From when the tail is, and the tail; without one everything has to be read again.

        So it is after a failure: behind it may be another database, a copy of the first that had not yet all of its
        log, in which the same revisions have been given once more.
        """
        try:
            return await self._database.follow(lambda c: (self._as_of(c, began), self._tails.read(c, after)))
        except RefusedError:
            return began, None

    async def _read_everything(self, began: int) -> tuple[int, View]:
        as_of, reading = await self._database.read(lambda c: (self._as_of(c, began), begin_reading(c, began)))
        while not reading.is_complete:
            reading.take(await self._database.read(lambda c: read_page(c, reading, began)))
        return as_of, reading.view

    def _take(self, view: View, tail: Tail, now: int) -> View:
        advance(view, tail)
        if now >= self._forget_at:
            view.forget(now)
            self._forget_at = now + _FORGET_EVERY
        return view
