"""Owns letting feeds and verifiers speak through the clients of this library."""

from collections.abc import AsyncIterator, Iterator

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client import rpcs
from tokensvc_client.caller import Caller
from tokensvc_client.clients import AsyncTokenClient, TokenClient
from tokensvc_client.errors import InvalidRequestError, StoreUnavailableError, TokenServiceError
from tokensvc_client.revocations import StreamLostError
from tokensvc_client.streams import BlockingStream, Stream
from tokensvc_client.values.keys import Jwks
from tokensvc_client.verification.errors import UnverifiableError
from tokensvc_client.verification.keys import JwksUnavailableError

_Message = pb.WatchRevocationsResponse


class ClientSource:
    """What RevocationFeed and TokenVerifier need, from a TokenClient with the permission `watch`.

    Where a policy says WhenStale.ASK, it needs `introspect` too.
    """

    def __init__(self, client: TokenClient) -> None:
        self._client = client

    def watch_revocations(self, from_revision: int) -> "_Messages":
        """As RevocationSource says."""
        try:
            return _Messages(BlockingStream(_stream(self._client._caller, from_revision)))  # noqa: SLF001 - see _stream
        except TokenServiceError as error:
            raise _lost(error) from error

    def get_jwks(self) -> Jwks:
        """As TokenSource says."""
        try:
            return self._client.get_jwks()
        except TokenServiceError as error:
            raise JwksUnavailableError(str(error)) from error

    def is_active(self, token: str) -> bool:
        """As TokenSource says."""
        try:
            return self._client.introspect(token).active
        except TokenServiceError as error:
            raise _unverifiable(error) from error


class AsyncClientSource:
    """The same from an AsyncTokenClient, for AsyncRevocationFeed and AsyncTokenVerifier."""

    def __init__(self, client: AsyncTokenClient) -> None:
        self._client = client

    def watch_revocations(self, from_revision: int) -> "_AsyncMessages":
        """As AsyncRevocationSource says."""
        try:
            return _AsyncMessages(_stream(self._client._caller, from_revision))  # noqa: SLF001 - see _stream
        except TokenServiceError as error:
            raise _lost(error) from error

    async def get_jwks(self) -> Jwks:
        """As AsyncTokenSource says."""
        try:
            return await self._client.get_jwks()
        except TokenServiceError as error:
            raise JwksUnavailableError(str(error)) from error

    async def is_active(self, token: str) -> bool:
        """As AsyncTokenSource says."""
        try:
            return (await self._client.introspect(token)).active
        except TokenServiceError as error:
            raise _unverifiable(error) from error


class _Messages:
    """A stream for threads, whose failures are those that a feed knows."""

    def __init__(self, stream: BlockingStream[_Message]) -> None:
        self._stream = stream
        self.cancel = stream.cancel

    def __iter__(self) -> Iterator[_Message]:
        try:
            yield from self._stream
        except TokenServiceError as error:
            raise _lost(error) from error


class _AsyncMessages:
    """The same for asyncio."""

    def __init__(self, stream: Stream[_Message]) -> None:
        self._stream = stream
        self.cancel = stream.cancel

    async def __aiter__(self) -> AsyncIterator[_Message]:
        try:
            async for message in self._stream:
                yield message
        except TokenServiceError as error:
            raise _lost(error) from error


def _stream(caller: Caller, from_revision: int) -> Stream[_Message]:
    """The messages as they are sent: of the values that `watch_revocations` answers, a snapshot would make millions."""
    request = pb.WatchRevocationsRequest(from_revision=from_revision)
    return Stream(caller.stream(rpcs.WATCH_REVOCATIONS, request, None), lambda message: message)


def _lost(error: TokenServiceError) -> StreamLostError:
    """A revision counts as refused also after the service has read its log anew: that may be an older copy of it."""
    return StreamLostError(str(error), refused=isinstance(error, InvalidRequestError | StoreUnavailableError))


def _unverifiable(error: TokenServiceError) -> UnverifiableError:
    return UnverifiableError(f"revocations are not known that are new enough, and Introspect fails: {error}")
