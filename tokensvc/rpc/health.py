"""Owns the standard health service."""

import asyncio
from collections.abc import Sequence
from typing import Any

from grpc_health.v1 import health, health_pb2

from tokensvc.domain.errors import overloaded
from tokensvc.rpc.errors import status_of

_LAST_WORDS = 0.1
_MOST_WATCHES = 10_000  # each is a client that looks before it calls
_LIST_RESPONSE: Any = health_pb2.HealthListResponse  # type: ignore[attr-defined]  # newer than its types


class Health(health.aio.HealthServicer):
    """The standard health service for `names`, whose streams do not hold up a shutdown."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names
        self._watches: set[asyncio.Task[None]] = set()

    async def announce(self, *, available: bool) -> None:
        """Say that all services are SERVING, or that none is; nothing once the server has begun to stop."""
        states = health_pb2.HealthCheckResponse
        for name in self._names:
            await self.set(name, states.SERVING if available else states.NOT_SERVING)

    async def List(self, _request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Answer what Check says of each."""
        checked = [await self.Check(health_pb2.HealthCheckRequest(service=name), context) for name in self._names]
        return _LIST_RESPONSE(statuses=dict(zip(self._names, checked, strict=True)))

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802 - gRPC's name
        """Send the status now and whenever it changes, until the caller or the server goes."""
        if len(self._watches) >= _MOST_WATCHES:
            await context.abort(*status_of(overloaded("too many watch the health")))
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
