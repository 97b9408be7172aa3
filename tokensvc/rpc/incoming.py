"""Owns a call on its way: what came with it, how long it may take, and how it is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from tokensvc.domain.client import Client
from tokensvc.domain.errors import Reason, RefusedError, overloaded
from tokensvc.domain.view import View
from tokensvc.rpc.errors import status_of

Context = grpc.aio.ServicerContext[Any, Any]
Serve = Callable[["Rpc"], Awaitable[Any]]

# Of the time that the caller gives, what is kept to tell it what went wrong: a share, but never more seconds than this.
_FOR_THE_ANSWER = 0.1
_MOST_FOR_THE_ANSWER = 0.2


@dataclass(slots=True, repr=False)  # a request holds tokens and secrets
class Rpc:
    """A call on its way: `data` is its request as it was sent.

    `request` is what was read, `view` the log as it was found, `caller` the client that calls, when it is recognised.
    """

    data: bytes
    context: Context
    request: Any = None
    view: View | None = None
    caller: Client | None = None

    def time_to_work(self) -> float | None:
        """How many seconds are left until it has to be answered; None for as many as it takes."""
        remaining: float | None = self.context.time_remaining()
        return None if remaining is None else remaining - min(remaining * _FOR_THE_ANSWER, _MOST_FOR_THE_ANSWER)

    async def abort(self, refusal: RefusedError) -> None:
        """Answer with `refusal`, in trailers alone, so that clients may retry (gRFC A6)."""
        try:
            await self.context.abort(*status_of(refusal))
        except grpc.aio.AbortError as ending:
            # gRPC keeps it with the call and raises it again: with our frames in it, both would be kept in a cycle.
            ending.with_traceback(None)
        except grpc.aio.InternalError:
            pass  # its caller has gone, who had not read what was sent before


def in_time(serve: Serve) -> Serve:
    """What ends `serve` when the call has to be answered, and does not begin what is too late."""

    async def serve_until(rpc: Rpc, left: float) -> Any:
        if left <= 0:
            raise overloaded("the time of the call was up before it was worked on")
        try:
            async with asyncio.timeout(left):
                return await serve(rpc)
        except TimeoutError:
            raise RefusedError(Reason.STORE_UNAVAILABLE, "the database has not answered in time") from None

    def serve_in_time(rpc: Rpc) -> Awaitable[Any]:
        left = rpc.time_to_work()
        return serve(rpc) if left is None else serve_until(rpc, left)

    return serve_in_time
