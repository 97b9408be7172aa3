"""One way to ask what is made for threads and what is made for asyncio, and to wait for what others do."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


async def told(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a method answers: a coroutine's is awaited, and one that blocks gets a thread of its own."""
    if inspect.iscoroutinefunction(method):
        return await method(*args, **kwargs)
    return await asyncio.to_thread(method, *args, **kwargs)


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until the condition is true; TimeoutError if it never is."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError
        await asyncio.sleep(0.005)  # it is for conditions of which nobody tells
