"""Owns what a process is told while it serves: to stop, or to hand over to a successor."""

import asyncio
import signal
from typing import Any


class Orders:
    """Two orders, each of which comes once at most. `stopping` has the reason; the first of `signals` gives it too."""

    def __init__(self, *signals: signal.Signals) -> None:
        loop = asyncio.get_running_loop()
        self.stopping: asyncio.Future[str] = loop.create_future()
        self.handing_over: asyncio.Future[None] = loop.create_future()
        for number in signals:
            loop.add_signal_handler(number, self.stop, number.name)

    def stop(self, reason: str) -> None:
        """Order the process to end soon."""
        if not self.stopping.done():
            self.stopping.set_result(reason)

    def hand_over(self) -> None:
        """Order the process to end when its callers have left it for a successor."""
        if not self.handing_over.done():
            self.handing_over.set_result(None)

    async def first(self) -> None:
        """Wait until anything is ordered."""
        orders: list[asyncio.Future[Any]] = [self.stopping, self.handing_over]
        await asyncio.wait(orders, return_when=asyncio.FIRST_COMPLETED)
