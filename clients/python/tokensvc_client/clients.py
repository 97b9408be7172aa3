"""Owns the two clients: one for asyncio and one for threads, with the same methods."""

from types import TracebackType
from typing import Any, Self

from tokensvc_client.aio_transport import AioTransport
from tokensvc_client.blocking import BlockingTransport, blocking, drive, streaming
from tokensvc_client.caller import Caller
from tokensvc_client.calls.every import Calls
from tokensvc_client.channel import Endpoint, Tls
from tokensvc_client.credentials import Credentials
from tokensvc_client.retrying import Retries
from tokensvc_client.streams import BlockingAuditEvents, BlockingStream
from tokensvc_client.values.tokens import RevocationStep

_TIMEOUT = 5.0


class AsyncTokenClient(Calls):
    """Calls the token service from asyncio, in one event loop. An asynchronous context manager, which closes it.

    It connects when it is first used, and again whenever that is needed. It may be shared by all tasks of its loop.
    """

    def __init__(
        self,
        target: str,
        *,
        credentials: Credentials | None = None,
        tls: Tls | None = None,
        insecure: bool = False,
        timeout: float | None = _TIMEOUT,
        retries: Retries | None = None,
    ) -> None:
        """`target` is "host:port", or any other target of gRPC; `timeout` is in seconds, for calls that name none.

        Without `credentials` the certificate of `tls` says who calls. Plaintext leaves this host only if `insecure`.
        Fails with ValueError.
        """
        transport = AioTransport(Endpoint(target, tls, insecure))
        super().__init__(Caller(transport, credentials, timeout, retries or Retries()))

    @property
    def credentials(self) -> Credentials | None:
        """Who calls. May be replaced at any time; calls under way keep theirs."""
        return self._caller.credentials

    @credentials.setter
    def credentials(self, credentials: Credentials | None) -> None:
        self._caller.credentials = credentials

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection, and what is under way."""
        await self._caller.transport.close()


class TokenClient:
    """Calls the token service from threads. A context manager, which closes it.

    It connects when it is first used, and again whenever that is needed. It may be shared by all threads. Make it after
    a fork, not before.
    """

    def __init__(
        self,
        target: str,
        *,
        credentials: Credentials | None = None,
        tls: Tls | None = None,
        insecure: bool = False,
        timeout: float | None = _TIMEOUT,
        retries: Retries | None = None,
    ) -> None:
        """As for AsyncTokenClient."""
        transport = BlockingTransport(Endpoint(target, tls, insecure))
        self._caller = Caller(transport, credentials, timeout, retries or Retries())
        self._wrapped: Any = Calls(self._caller)

    issue = blocking(Calls.issue)
    refresh = blocking(Calls.refresh)
    revoke = blocking(Calls.revoke)
    introspect = blocking(Calls.introspect)
    batch_introspect = blocking(Calls.batch_introspect)
    exchange = blocking(Calls.exchange)
    watch_revocations = streaming(Calls.watch_revocations, BlockingStream[RevocationStep])

    list_sessions = blocking(Calls.list_sessions)
    get_session = blocking(Calls.get_session)
    flag_subject = blocking(Calls.flag_subject)
    unflag_subject = blocking(Calls.unflag_subject)

    get_jwks = blocking(Calls.get_jwks)
    list_keys = blocking(Calls.list_keys)
    rotate_key = blocking(Calls.rotate_key)
    revoke_key = blocking(Calls.revoke_key)

    create_client = blocking(Calls.create_client)
    get_client = blocking(Calls.get_client)
    list_clients = blocking(Calls.list_clients)
    update_client = blocking(Calls.update_client)
    delete_client = blocking(Calls.delete_client)
    rotate_client_secret = blocking(Calls.rotate_client_secret)

    list_audit_events = blocking(Calls.list_audit_events)
    watch_audit_events = streaming(Calls.watch_audit_events, BlockingAuditEvents)

    @property
    def credentials(self) -> Credentials | None:
        """Who calls. May be replaced at any time; calls under way keep theirs."""
        return self._caller.credentials

    @credentials.setter
    def credentials(self, credentials: Credentials | None) -> None:
        self._caller.credentials = credentials

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and what is under way."""
        drive(self._caller.transport.close())
