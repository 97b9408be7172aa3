"""Owns what a test does to calls: refusals, lost answers and calls that are held."""

import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Final

import grpc

from tokensvc_client.testing.errors import CODES, Refusal

_LOOK_SECONDS: Final = 0.02


class Held:
    """A call that waits, before anything is done for it, until it is released."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._released = threading.Event()

    def wait_for_call(self, seconds: float = 10) -> None:
        """Wait until the call is there; raises TimeoutError. In async tests: `await asyncio.to_thread(...)`."""
        if not self._arrived.wait(seconds):
            raise TimeoutError("no such call has arrived")

    def release(self) -> None:
        """Let it go on."""
        self._released.set()

    def hold(self, context: grpc.ServicerContext) -> None:
        """Wait for the release. For a caller that goes away meanwhile nothing is done."""
        self._arrived.set()
        while not self._released.wait(_LOOK_SECONDS):
            if not context.is_active():
                context.abort(grpc.StatusCode.CANCELLED, "the caller has gone away")


@dataclass(frozen=True)
class Fault:
    """What happens to one call: it is `held`, it is answered with a `refusal`, or its answer is lost."""

    held: Held | None = None
    refusal: Refusal | None = None
    loses_answer: bool = False


@dataclass
class Faults:
    """What is in store for the next calls of each method, in the order in which it was asked for."""

    methods: frozenset[str]
    _coming: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _held: list[Held] = field(default_factory=list)

    def add(self, method: str, fault: Fault, times: int = 1) -> None:
        """Do this to the next so many calls."""
        if method not in self.methods:
            raise ValueError(f"the contract has no method {method!r}")
        if fault.refusal is not None and fault.refusal.reason not in CODES:
            raise ValueError(f"the contract has no reason {fault.refusal.reason!r}")
        self._coming[method].extend([fault] * times)
        if fault.held is not None:
            self._held.append(fault.held)

    def take(self, method: str) -> Fault:
        """What happens to this call of `method`."""
        coming = self._coming[method]
        return coming.popleft() if coming else Fault()

    def clear(self) -> None:
        """Do nothing to any call; those that are held go on."""
        self._coming.clear()
        for held in self._held:
            held.release()
        self._held.clear()
