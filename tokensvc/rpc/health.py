"""Owns the standard health service."""

import asyncio
from typing import Any

from grpc_health.v1 import health, health_pb2

_LAST_WORDS = 0.1


class Health(health.aio.HealthServicer):
    """The standard health service, whose streams do not hold up a shutdown."""

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[asyncio.Task[None]] = set()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802 - gRPC's name
        """Send the status now and whenever it changes, until the caller or the server goes."""
        watch = asyncio.ensure_future(super().Watch(request, context))
        self._watches.add(watch)
        try:
            await asyncio.wait([watch])
        finally:
            watch.cancel()
            self._watches.discard(watch)

    def end_watches(self) -> None:
        """End all streams once they have sent what there is to send."""
        for watch in self._watches:
            asyncio.get_running_loop().call_later(_LAST_WORDS, watch.cancel)
