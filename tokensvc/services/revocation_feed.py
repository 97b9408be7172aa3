"""Owns what watchers of the revocation log are told: one look a moment for all, and for each what it has missed."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from tokensvc.domain.errors import Reason, RefusedError, invalid
from tokensvc.domain.revocation import ENDINGS, EntryKind, LogEntry
from tokensvc.domain.value import value
from tokensvc.domain.view import View
from tokensvc.ports import Clock, Store
from tokensvc.services.revocation_ring import Ring
from tokensvc.services.snapshot_parts import WrittenPart

_INTERVAL: Final = 0.015  # seconds between looks, at least
_FOR_EACH: Final = 0.00025  # and for each watcher: what is told to many takes the core from those who revoke
_QUIET: Final = 0.5  # seconds without a step, after which the next look is told of by itself
_PART: Final = 500  # entries of a step: written within a millisecond, and less than gRPC's clients take


@value(frozen=True, slots=True)
class Step:
    """What watchers are told at one moment: entries that end something, in the order of the log.

    Everything up to `revision` has been told with it; it is zero while more of a snapshot is to come. `looked_at` is a
    moment (milliseconds) before which nothing was committed that has not been told; None while more is to come.
    """

    entries: Sequence[LogEntry]
    revision: int
    looked_at: int | None
    keys_changed: bool = False


@value(frozen=True, slots=True)
class _Part:
    """What was read of the log up to `reached`; `is_whole` unless some was left out, because it has expired."""

    entries: Sequence[LogEntry]
    reached: int
    is_whole: bool

    def step(self, looked_at: int | None, *, is_snapshot: bool = False, keys_changed: bool = False) -> Step:
        """What is told of it; of a part of a snapshot that is not the last one, no revision."""
        changed = keys_changed or any(entry.kind is EntryKind.KEYS_CHANGED for entry in self.entries)
        endings = [entry for entry in self.entries if entry.kind in ENDINGS]
        return Step(endings, 0 if is_snapshot else self.reached, looked_at, changed)


class RevocationFeed:
    """The use case WatchRevocations. It looks at the log as long as it is watched.

    Steps are handed out as `write` makes them, and each is written once, however many are told.
    """

    def __init__(self, store: Store, clock: Clock, write: Callable[[Step], bytes]) -> None:
        self._store = store
        self._clock = clock
        self._write = write
        self._ring: Ring | None = None
        self._following: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()  # what has been missed is read and written so: else it would hold up all

    def watch(self, from_revision: int) -> AsyncGenerator[bytes]:
        """Answer the steps behind `from_revision`, without an end; zero begins with all entries that are needed.

        Refuses with INVALID_REQUEST a revision that the log has not reached, on the way with STORE_UNAVAILABLE when the
        log cannot be followed any more, and with OVERLOADED who has fallen too far behind.
        """
        if from_revision < 0:
            raise invalid("from_revision", "from_revision is negative")
        return self._steps(from_revision)

    async def _steps(self, after: int) -> AsyncGenerator[bytes]:
        ring = self._join()
        try:
            head = (await self._store.view()).revision
            if after > head:
                raise invalid("from_revision", "from_revision is ahead of the log; was the database restored?")
            await ring.has_reached(head)
            place = -1
            while not ring.holds(place):  # nor after a long way here, on which too much has come
                place, until = ring.end, ring.revision
                async for step in self._missed(ring, after, until):
                    yield step
                after = until
            while True:
                yield await ring.step(place)
                place += 1
        finally:
            self._leave(ring)

    def _join(self) -> Ring:
        ring = self._ring
        if ring is None:
            ring = self._ring = Ring()
            self._following = asyncio.create_task(self._follow(ring))
        ring.watchers += 1
        return ring

    def _leave(self, ring: Ring) -> None:
        ring.watchers -= 1
        if ring is self._ring and self._following and not ring.watchers:
            self._following.cancel()
            self._ring = None

    async def _follow(self, ring: Ring) -> None:
        """Look at the log again and again; when that fails, so does the ring, and who comes then gets a new one."""
        try:
            view = await self._look(ring, None)
            while True:
                await asyncio.sleep(max(_INTERVAL, ring.watchers * _FOR_EACH))
                await self._look(ring, view)
        except Exception as error:  # noqa: BLE001 - what it is concerns the watchers
            self._ring = None
            ring.fail(error)

    async def _look(self, ring: Ring, known: View | None) -> View:
        """Tell what is new since the view that was `known`.

        Another view has been read anew, after a failure: behind it may be an older copy of the database, in which the
        same revisions are given once more. So who has watched must begin anew too.
        """
        looked_at, now = self._clock(), asyncio.get_running_loop().time()
        view = await self._store.view()
        head = view.revision
        if known is None:
            ring.begin(head, looked_at, now)
        elif view is not known or head < ring.revision:
            raise RefusedError(Reason.STORE_UNAVAILABLE, "the log was read anew")
        while ring.revision < head:
            part = await self._part(ring.revision, head)
            step = part.step(looked_at if part.reached == head else None, keys_changed=not part.is_whole)
            ring.add(self._write(step), part.reached, now)
        if now - ring.told_at >= _QUIET:
            ring.add(self._write(Step((), head, looked_at)), head, now)
        ring.looked_at = looked_at
        ring.parts.drop_old(now)
        return view

    async def _missed(self, ring: Ring, after: int, until: int) -> AsyncGenerator[bytes]:
        """The steps from `after` to `until`, which `ring` has reached, one at least; from zero on they are a snapshot.

        What is left out may have been a change of the keys, and who begins with a snapshot may know older ones.
        """
        looked_at, is_snapshot = ring.looked_at, not after
        keys_changed = is_snapshot
        while True:
            async with self._one_at_a_time:
                known = ring.parts.get(after) if is_snapshot else None
                if known is None:
                    part = await self._part(after, until)
                    keys_changed |= not part.is_whole
                    if part.reached == until:
                        break
                    known = WrittenPart(self._write(part.step(None, is_snapshot=is_snapshot)), part.reached)
                    if is_snapshot:
                        ring.parts.keep(after, known, asyncio.get_running_loop().time())
            yield known.written
            after = known.reached
        yield self._write(part.step(looked_at, keys_changed=keys_changed))

    async def _part(self, after: int, until: int) -> _Part:
        entries = await self._store.log_entries(after, until, self._clock(), _PART) if after < until else ()
        reached = entries[-1].revision if len(entries) == _PART else until
        return _Part(entries, reached, is_whole=len(entries) == reached - after)
