"""Owns the supervisor of several workers: it starts them, replaces those that die or are old, and ends them."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import Any

import structlog

from tokensvc.cli import sockets
from tokensvc.cli.addresses import Address, Endpoints
from tokensvc.cli.failures import CommandError
from tokensvc.cli.orders import Orders
from tokensvc.cli.worker import task
from tokensvc.cli.worker_process import WorkerProcess
from tokensvc.config import Settings

_PATIENCE_SECONDS = 5  # beyond the grace, before a worker that was told to stop is killed
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_STEADY_SECONDS = 30.0

Start = Callable[[], Awaitable[WorkerProcess]]

_log = structlog.get_logger(__name__)


def supervise(settings: Settings, endpoints: Endpoints) -> None:
    """Let workers serve at `endpoints` until a signal; fails with CommandError if that cannot be begun."""
    with ExitStack() as stack:

        def reserve(address: Address) -> Address:
            return stack.enter_context(sockets.reserved(address))

        bound = endpoints.bound(reserve, reserve)
        asyncio.run(Supervisor(settings, bound).run())


class Supervisor:
    """Keeps workers at endpoints; it serves nothing itself."""

    def __init__(self, settings: Settings, endpoints: Endpoints) -> None:
        self._task = task(settings, endpoints)
        self._count = settings.workers
        self._grace = settings.shutdown_grace
        self._workers: list[WorkerProcess] = []
        self._renewal = asyncio.Event()

    async def run(self) -> None:
        """Keep the workers until SIGTERM or SIGINT; SIGHUP replaces them."""
        orders = Orders(signal.SIGTERM, signal.SIGINT)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._renewal.set)
        keeping = asyncio.create_task(self._keep())
        try:
            either: list[asyncio.Future[Any]] = [orders.stopping, keeping]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not orders.stopping.done():
                await keeping
            _log.info("stopping", reason=orders.stopping.result(), grace=self._grace)
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])  # it starts no more workers
            await self._end()
        _log.info("stopped")

    async def _keep(self) -> None:
        # The first worker makes the database and the keys where there are none; the others find them.
        workers = [await self._start()]
        workers += await asyncio.gather(*(self._start() for _ in range(1, self._count)))
        _log.info("serving", **workers[0].facts)
        places = [Place(self._start, worker) for worker in workers]
        async with asyncio.TaskGroup() as tasks:
            for place in places:
                tasks.create_task(place.keep())
            tasks.create_task(self._renew(places))

    async def _start(self) -> WorkerProcess:
        worker = await WorkerProcess.start(self._task)
        self._workers = [*(other for other in self._workers if other.is_running), worker]
        await worker.ready()
        return worker

    async def _renew(self, places: "Sequence[Place]") -> None:
        """Whenever that is asked for, replace the workers one after the other."""
        while True:
            await self._renewal.wait()
            self._renewal.clear()
            _log.info("replacing the workers")
            try:
                for place in places:
                    await place.renew()
            except CommandError as error:
                _log.error("a new worker cannot serve, so the old ones stay", error=str(error))
            else:
                _log.info("the workers are replaced")

    async def _end(self) -> None:
        """End all workers, those too that are not at their places yet or no more."""
        running = [worker for worker in self._workers if worker.is_running]
        for worker in running:
            worker.stop()
        ends = [asyncio.ensure_future(worker.ended()) for worker in running]
        if ends:
            await asyncio.wait(ends, timeout=self._grace + _PATIENCE_SECONDS)
        for worker in running:
            if worker.is_running:
                _log.error("a worker did not end and is killed", worker=worker.pid)
                worker.kill()
        await asyncio.gather(*ends)


class Place:
    """One of the workers' places, which is kept filled."""

    def __init__(self, start: Start, worker: WorkerProcess) -> None:
        self._start = start
        self.worker = worker
        self._filling = asyncio.Lock()

    async def keep(self) -> None:
        """Whenever the worker dies, put another one here: at once, but not again and again at once."""
        pause = None
        while True:
            worker = self.worker
            code = await worker.ended()
            async with self._filling:
                if worker is self.worker:
                    _log.error("a worker died", worker=worker.pid, exit_code=code)
                    pause = await self._refill(next_pause(pause, worker.served()))

    async def _refill(self, pause: float) -> float:
        """Put a new worker here after `pause` seconds; answer the pause after which that succeeded."""
        while True:
            await asyncio.sleep(pause)
            try:
                self.worker = await self._start()
            except CommandError as error:
                _log.error("a new worker cannot serve", error=str(error))
                pause = next_pause(pause, served=0)
            else:
                _log.info("a new worker serves", worker=self.worker.pid)
                return pause

    async def renew(self) -> None:
        """Put a new worker here, let the old one hand over to it, and wait for its end.

        Fails with CommandError when the new one cannot serve; then the old one stays.
        """
        async with self._filling:
            old, self.worker = self.worker, await self._start()
        old.hand_over()
        await old.ended()


def next_pause(last: float | None, served: float) -> float:
    """Seconds to wait before a worker that has died after `served` seconds is replaced; `last` time it was so long."""
    if last is None or served >= _STEADY_SECONDS:
        return 0
    return min(max(2 * last, _FIRST_PAUSE), _LONGEST_PAUSE)
