"""Owns the life of answers that are streams: each ends with its caller's rights, and all of them with the server."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from tokensvc.domain.client import Client, Permission
from tokensvc.domain.errors import overloaded
from tokensvc.domain.value import value
from tokensvc.ports import Clock, Store
from tokensvc.rpc.caller import Callers
from tokensvc.services.call import Call

_LOOK_SECONDS = 0.5


@value(frozen=True, slots=True)
class Stream:
    """What is sent: the initial metadata, and then the messages, which are closed at the end.

    Whoever takes longer than `patience` seconds to take a message is cut off; where it is None, nobody is.
    """

    metadata: Mapping[str, str]
    messages: AsyncGenerator[Message | bytes]
    patience: float | None = None


@value(frozen=True, slots=True)
class StreamMethod:
    """An RPC that sends a stream to an authenticated caller that has `permission`, for as long as it has it.

    When `serve` has answered, the caller is told that the stream has begun.
    """

    serve: Callable[[Any], Awaitable[Stream]]
    permission: Permission


class Streams:
    """Sends streams. A slow reader is waited for, as long as a stream has patience: it holds up itself alone."""

    def __init__(self, store: Store, callers: Callers, clock: Clock, *, most: int) -> None:
        """At `most` so many at a time, half of them for one caller: so none takes the places of all others."""
        self._store = store
        self._callers = callers
        self._clock = clock
        self.most = most
        self._open: dict[asyncio.Task[None], str] = {}  # and whose each is

    @property
    def open(self) -> int:
        """How many there are, with those that have ended and whose callers have not taken that yet."""
        return len(self._open)

    @property
    def ended(self) -> int:
        """How many of those that are open have ended. Who does not read gets to know it when its connection ends."""
        return sum(task.done() for task in self._open)

    async def send(self, method: StreamMethod, call: Call, request: Any, context: Any) -> None:
        """Serve `call` until its messages end, the caller loses its rights, or `end_all`; refuses with RefusedError."""
        call.require(method.permission)
        self._require_room(call.caller.client_id)
        sending = asyncio.create_task(_send(method, request, context))
        watching = asyncio.create_task(self._watch(call.caller, method.permission, context))
        self._open[sending] = call.caller.client_id
        context.add_done_callback(lambda _context: self._open.pop(sending))
        try:
            await asyncio.wait((sending, watching), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, watching):
                task.cancel()
            results = await asyncio.gather(watching, sending, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def end_all(self) -> None:
        """End all streams as if there were no more messages."""
        for task in self._open:
            task.cancel()

    def _require_room(self, caller: str) -> None:
        if len(self._open) >= self.most:
            raise overloaded("too many streams are open")
        if list(self._open.values()).count(caller) >= (self.most + 1) // 2:
            raise overloaded("the caller has too many streams open")

    async def _watch(self, caller: Client, permission: Permission, context: Any) -> None:
        """Fail when the caller would be refused."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            view = await self._store.view()
            self._callers.recognise_again(caller, context, view, self._clock()).require(permission)


async def _send(method: StreamMethod, request: Any, context: Any) -> None:
    stream = await method.serve(request)
    await context.send_initial_metadata(tuple(stream.metadata.items()))
    async with aclosing(stream.messages) as messages:
        async for message in messages:
            await _write(message, stream.patience, context)


async def _write(message: Message | bytes, patience: float | None, context: Any) -> None:
    try:
        async with asyncio.timeout(patience):
            await context.write(message)
    except TimeoutError:
        raise overloaded("the caller does not read") from None
