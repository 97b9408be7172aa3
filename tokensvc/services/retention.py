"""Owns what one node does for all of them: deleting what nothing needs any more, and the beat."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from tokensvc.domain.errors import RefusedError
from tokensvc.domain.policy import SECOND
from tokensvc.domain.value import value
from tokensvc.ports import BEAT, Clock, Store

_LEAST_PAUSE = 0.01  # seconds
_BEAT_INTERVAL = 2.0  # seconds
_BEAT_SPAN = 5 * SECOND

_log = structlog.get_logger(__name__)


@value(frozen=True, slots=True)
class Lease:
    """A duty of all nodes, which one of them has for `span` milliseconds at a time."""

    store: Store
    clock: Clock
    name: str
    holder: str
    span: int

    async def hold(self) -> bool:
        """Take or renew it; answer whether it is ours."""
        return await self.store.hold_lease(self.name, self.holder, self.clock(), self.span)

    async def serve(self, work: Callable[[], Awaitable[object]], interval: float) -> None:
        """Do `work` every `interval` seconds, whatever goes wrong; when cancelled, let another node take over."""
        try:
            while True:
                try:
                    await work()
                except RefusedError as error:
                    _log.warning("a duty was not done", duty=self.name, error=str(error))
                except Exception as error:  # noqa: BLE001 - nobody else would hear of a defect, and the rest goes on
                    _log.error("a duty was not done", duty=self.name, exc_info=error)
                await asyncio.sleep(interval)
        finally:
            with suppress(RefusedError):
                await self.store.release_lease(self.name, self.holder)


async def beat(store: Store, clock: Clock, holder: str) -> None:
    """Renew the beat, until cancelled, on one of the nodes that read from a replica: it tells them how old that is."""
    lease = Lease(store, clock, BEAT, holder, _BEAT_SPAN)
    await lease.serve(lease.hold, _BEAT_INTERVAL)


async def _always() -> bool:
    return True


class Retention:
    """Deletes what nothing needs any more, in batches of up to `batch` rows of a table.

    Audit events go when they are `audit_retention` milliseconds old; zero keeps them for ever.
    """

    def __init__(self, store: Store, clock: Clock, *, audit_retention: int, batch: int = 1000) -> None:
        self._store = store
        self._clock = clock
        self._audit_retention = audit_retention
        self._batch = batch
        self.pruned: Counter[str] = Counter()
        """How many rows have gone so far, by table."""

    async def run(self, holder: str, interval: float) -> None:
        """Prune every `interval` seconds until cancelled, on the one node that holds the lease."""
        lease = Lease(self._store, self._clock, "retention", holder, round(2 * interval * SECOND))

        async def prune() -> None:
            before = self.pruned.copy()
            try:
                await self.prune(lease.hold)
            finally:
                if gone := self.pruned - before:
                    _log.info("pruned", **gone)

        await lease.serve(prune, interval)

    async def prune(self, may_go_on: Callable[[], Awaitable[bool]] = _always) -> None:
        """Prune until nothing is left, or `may_go_on`, which is asked before each batch, says no."""
        loop = asyncio.get_running_loop()
        while await may_go_on():
            began = loop.time()
            now = self._clock()
            audit_before = now - self._audit_retention if self._audit_retention else 0
            gone = await self._store.prune(now, self._batch, audit_before)
            self.pruned += gone
            if max(gone.values(), default=0) < self._batch:
                return
            await asyncio.sleep(max(loop.time() - began, _LEAST_PAUSE))  # half of the time is the traffic's
