"""Owns the processes of verifiers: each follows the stream of revocations, and notes when it refuses what has ended."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

from tokensvc_client import AsyncTokenClient, Supplied
from tokensvc_client.revocations import AsyncRevocationFeed, AsyncRevocationSource, AsyncRevocationStream
from tokensvc_client.verification import AsyncClientSource, AsyncTokenVerifier, RevokedTokenError
from tokensvc_pb.v1 import token_service_pb2 as pb

from bench.load import Caller
from bench.server import AUDIENCE

_PATIENCE: Final = 30.0  # seconds

Message = pb.WatchRevocationsResponse
Owned = Mapping[str, str]
"""Access tokens by their sessions."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What one process does: as many verifiers as there are `shares` of the tokens that will be ended."""

    caller: Caller
    issuer: str
    shares: Sequence[Owned]


@dataclass(frozen=True, slots=True)
class Refused:
    """When (`time.monotonic`) a verifier first refused the token of a session, and the revision that ended it."""

    session_id: str
    revision: int
    at: float


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of it: the refusals, how many revocations each verifier knows, and the seconds of CPU."""

    refused: Sequence[Refused]
    known: Sequence[int]
    cpu: float


class _Noting:
    """A source of streams that says of each message when the feed has taken it in."""

    def __init__(self, source: AsyncRevocationSource, taken: Callable[[Message], Awaitable[None]]) -> None:
        self._source = source
        self._taken = taken

    def watch_revocations(self, from_revision: int) -> "_Noted":
        return _Noted(self._source.watch_revocations(from_revision), self._taken)


class _Noted:
    def __init__(self, stream: AsyncRevocationStream, taken: Callable[[Message], Awaitable[None]]) -> None:
        self._stream = stream
        self._taken = taken
        self.cancel = stream.cancel

    async def __aiter__(self) -> AsyncIterator[Message]:
        async for message in self._stream:
            yield message
            await self._taken(message)  # the feed asks for the next one, so it knows this one


class _Verifier:
    """A verifier with a connection of its own, and the tokens whose end it has to notice."""

    def __init__(self, watch: Watch, owned: Owned) -> None:
        host, port = watch.caller.address
        credentials = Supplied(lambda: watch.caller.authorization)
        self.client = AsyncTokenClient(f"{host}:{port}", credentials=credentials)
        source = AsyncClientSource(self.client)
        self.feed = AsyncRevocationFeed(_Noting(source, self._taken))
        self.refused: list[Refused] = []
        self._verifier = AsyncTokenVerifier(watch.issuer, source, self.feed)
        self._owned = owned
        self._moved = asyncio.Event()

    async def begin(self) -> None:
        """Wait until it knows everything, and accepts all of its tokens."""
        await self.feed.wait_until_fresh(_PATIENCE)
        for token in self._owned.values():
            await self._verifier.verify(token, audience=AUDIENCE)

    async def reach(self, revision: int) -> None:
        """Wait until it knows of everything up to `revision`; fails with TimeoutError."""
        async with asyncio.timeout(_PATIENCE):
            while self.feed.revision < revision:
                self._moved.clear()
                await self._moved.wait()

    async def _taken(self, message: Message) -> None:
        self._moved.set()
        for revocation in message.revocations:
            token = self._owned.get(revocation.session_id)
            if token is not None:
                await self._note(revocation, token)

    async def _note(self, revocation: pb.Revocation, token: str) -> None:
        try:
            await self._verifier.verify(token, audience=AUDIENCE)
        except RevokedTokenError:
            self.refused.append(Refused(revocation.session_id, revocation.revision, time.monotonic()))


def run(pipe: Connection, watch: Watch) -> None:
    """Say when all verifiers are ready; be told the last revision; answer with a Watched."""
    asyncio.run(_watch(pipe, watch))


async def _watch(pipe: Connection, watch: Watch) -> None:
    verifiers = [_Verifier(watch, owned) for owned in watch.shares]
    async with AsyncExitStack() as stack:
        for verifier in verifiers:
            await stack.enter_async_context(verifier.client)
            await stack.enter_async_context(verifier.feed)
        for verifier in verifiers:
            await verifier.begin()
        pipe.send("ready")
        began = time.process_time()
        revision = await asyncio.to_thread(pipe.recv)
        for verifier in verifiers:
            await verifier.reach(revision)
        refused = [each for verifier in verifiers for each in verifier.refused]
        known = [verifier.feed.view.size for verifier in verifiers]
        pipe.send(Watched(refused, known, time.process_time() - began))
