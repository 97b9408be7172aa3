"""Live revocations, followed over the stream WatchRevocations: in a thread or in an asyncio task."""

from tokensvc_client.revocations.following import Patience
from tokensvc_client.revocations.source import (
    AsyncRevocationSource,
    AsyncRevocationStream,
    RevocationSource,
    RevocationStream,
    StreamLostError,
)
from tokensvc_client.revocations.task import AsyncRevocationFeed
from tokensvc_client.revocations.thread import RevocationFeed

__all__ = [
    "AsyncRevocationFeed",
    "AsyncRevocationSource",
    "AsyncRevocationStream",
    "Patience",
    "RevocationFeed",
    "RevocationSource",
    "RevocationStream",
    "StreamLostError",
]
