"""Owns the seam between what calls mean and how they wait: the few things that threads and asyncio do differently.

Everything above is written once, as coroutines. Over a transport for threads no awaitable ever suspends, so such a
coroutine is run to its end by one step (`blocking.drive`).
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from tokensvc_client.errors import UnavailableError
from tokensvc_client.rpcs import Answer, Request, Rpc

Metadata = Sequence[tuple[str, str]]
Answer_co = TypeVar("Answer_co", bound=Message, covariant=True)


def closed_meanwhile() -> UnavailableError:
    """What a call fails with whose client was closed while it was under way."""
    return UnavailableError("the client was closed", code=grpc.StatusCode.CANCELLED)


class Reading(Protocol[Answer_co]):
    """A stream of answers under way."""

    async def header(self) -> Mapping[str, str]:
        """Wait for what the service says before the first answer."""

    async def read(self) -> Answer_co | None:
        """Wait for the next answer; None at the end, and after `cancel`. Fails with grpc.RpcError."""

    def cancel(self) -> None:
        """End it. Any thread may."""


class Signal(Protocol):
    """Wakes one who waits, once."""

    def set(self) -> None:
        """Wake it."""

    async def wait(self, timeout: float | None) -> None:
        """Return when it is set, or after `timeout` seconds."""


class Transport(Protocol):
    """Carries calls to the service."""

    async def unary(
        self, rpc: Rpc[Request, Answer], request: Request, timeout: float | None, metadata: Metadata
    ) -> Answer:
        """Wait for the answer, for `timeout` seconds at most. Fails with grpc.RpcError."""

    def stream(
        self, rpc: Rpc[Request, Answer], request: Request, timeout: float | None, metadata: Metadata
    ) -> Reading[Answer]:
        """Begin a stream, which lasts for `timeout` seconds at most."""

    def signal(self) -> Signal:
        """Something to wait for."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    async def close(self) -> None:
        """End the connection, and what is under way."""
