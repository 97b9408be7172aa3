"""Owns waiting together for one call: it goes on without who began it, and who gives up leaves it to the others."""

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

import grpc

from tokensvc_client.blocking import drive
from tokensvc_client.errors import DeadlineExceededError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Work = Callable[[], Coroutine[Any, Any, T]]


class Flight(Protocol[T_co]):
    """Work under way."""

    def is_over(self) -> bool:
        """Whether it has ended."""

    async def outcome(self, timeout: float | None) -> T_co:
        """Wait for what it answers; fails as it fails, or with DeadlineExceededError after `timeout` seconds."""


class Begin(Protocol):
    """How work is begun."""

    def __call__(self, work: Work[T], /) -> Flight[T]:
        """Begin it, and wait for nothing."""


class TaskFlight(Generic[T]):
    """Work in a task of its own."""

    def __init__(self, work: Work[T]) -> None:
        self._task = asyncio.get_running_loop().create_task(work())
        self._task.add_done_callback(_look_at)

    def is_over(self) -> bool:
        """As the protocol says."""
        return self._task.done()

    async def outcome(self, timeout: float | None) -> T:
        """As the protocol says."""
        done, _ = await asyncio.wait([self._task], timeout=timeout)
        if not done:
            raise _too_late()
        return self._task.result()


class ThreadFlight(Generic[T]):
    """Work in a thread of its own; nothing in it suspends."""

    def __init__(self, work: Work[T]) -> None:
        self._future: concurrent.futures.Future[T] = concurrent.futures.Future()
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._fly, work), name="tokensvc call", daemon=True).start()

    def is_over(self) -> bool:
        """As the protocol says."""
        return self._future.done()

    async def outcome(self, timeout: float | None) -> T:
        """As the protocol says; it blocks."""
        done, _ = concurrent.futures.wait([self._future], timeout)
        if not done:
            raise _too_late()
        return self._future.result()

    def _fly(self, work: Work[T]) -> None:
        try:
            self._future.set_result(drive(work()))
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            self._future.set_exception(error)


def _look_at(task: "asyncio.Task[Any]") -> None:
    """A failure that nobody has waited for is nobody's."""
    if not task.cancelled():
        task.exception()


def _too_late() -> DeadlineExceededError:
    return DeadlineExceededError("no answer in time", code=grpc.StatusCode.DEADLINE_EXCEEDED)
