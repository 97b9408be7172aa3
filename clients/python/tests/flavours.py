"""One way to call both clients, so that every test is written once."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from inspect import iscoroutinefunction
from typing import Any, Protocol

from tokensvc_client import AsyncTokenClient, TokenClient

Call = Callable[[Any], Any]


def _at_once() -> None:
    """Nothing is waited for."""


class Flavour(Protocol):
    """Makes clients whose methods block, and lets many calls of one client be under way at once."""

    def client(self, target: str, **options: Any) -> Any:
        """A client, closed at the end of the test."""

    def at_once(self, client: Any, calls: Sequence[Call], *, then: Callable[[], None] = _at_once) -> list[Any]:
        """Make the calls at the same time; answer what each answered or failed with, in their order.

        The others follow the first when `then` returns.
        """


class Threads:
    """TokenClient, as it is."""

    def __init__(self) -> None:
        self._clients: list[TokenClient] = []

    def client(self, target: str, **options: Any) -> TokenClient:
        self._clients.append(TokenClient(target, **options))
        return self._clients[-1]

    def at_once(self, client: TokenClient, calls: Sequence[Call], *, then: Callable[[], None] = _at_once) -> list[Any]:
        with ThreadPoolExecutor(len(calls)) as pool:
            futures = [pool.submit(calls[0], client)]
            then()
            futures += [pool.submit(call, client) for call in calls[1:]]
            return [future.exception() or future.result() for future in futures]

    def close(self) -> None:
        for client in self._clients:
            client.close()


class Loop:
    """AsyncTokenClient, each call run to its end in one loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._clients: list[AsyncTokenClient] = []

    def client(self, target: str, **options: Any) -> "Driven":
        self._clients.append(AsyncTokenClient(target, **options))
        return Driven(self._loop, self._clients[-1])

    def at_once(self, client: "Driven", calls: Sequence[Call], *, then: Callable[[], None] = _at_once) -> list[Any]:
        async def all_of_them() -> list[Any]:
            first = asyncio.ensure_future(calls[0](client.wrapped))
            await asyncio.to_thread(then)
            others = (call(client.wrapped) for call in calls[1:])
            return await asyncio.gather(first, *others, return_exceptions=True)

        return self._loop.run_until_complete(all_of_them())

    def close(self) -> None:
        for client in self._clients:
            self._loop.run_until_complete(client.close())
        self._loop.close()


class Driven:
    """What runs the coroutines of `wrapped` to their end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wrapped: Any) -> None:
        object.__setattr__(self, "loop", loop)
        object.__setattr__(self, "wrapped", wrapped)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.wrapped, name)
        if iscoroutinefunction(attribute):
            return lambda *args, **kwargs: self.loop.run_until_complete(attribute(*args, **kwargs))
        if name.startswith("watch_"):
            return lambda **kwargs: Driven(self.loop, self.loop.run_until_complete(_begin(attribute, kwargs)))
        return attribute

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.wrapped, name, value)

    def __enter__(self) -> "Driven":
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.run_until_complete(self.wrapped.__aexit__(None, None, None))

    def __iter__(self) -> "Driven":
        return self

    def __next__(self) -> Any:
        try:
            return self.loop.run_until_complete(self.wrapped.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None


async def _begin(watch: Callable[..., Any], options: dict[str, Any]) -> Any:
    return watch(**options)


@contextmanager
def flavour_of(name: str) -> Iterator[Flavour]:
    """The flavour of this name: "sync" or "async"."""
    flavour = Threads() if name == "sync" else Loop()
    try:
        yield flavour
    finally:
        flavour.close()
