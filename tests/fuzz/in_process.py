"""The service without a network: every method is called with bytes, as gRPC would call it."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import grpc
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.fakes import FakeClock, FakeRandomness
from tests.harness import ALL_PERMISSIONS, ISSUER, Caller, policy_of
from tokensvc.app import build_server, clients_of, open_keys
from tokensvc.config import load_settings
from tokensvc.crypto.live_keys import LiveKeys
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.services.clients import OPERATOR
from tokensvc.store.memory import MemoryStore

_TURNS = 20  # of the event loop
_ROOT_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


class _Context:
    """A call as its handler sees it."""

    def __init__(self, metadata: Sequence[tuple[str, str | bytes]]) -> None:
        self._metadata = metadata
        self.code = grpc.StatusCode.OK

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        return self._metadata

    def time_remaining(self) -> None:
        return None

    def auth_context(self) -> dict[str, Any]:
        return {}

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def send_initial_metadata(self, metadata: object) -> None:
        """Nobody reads it."""

    async def write(self, message: object) -> None:
        """Nobody reads it."""

    async def abort(self, code: grpc.StatusCode, _details: str = "", _metadata: object = ()) -> None:
        self.code = code
        raise grpc.aio.AbortError


class _Recorder:
    """Stands in for a gRPC server and keeps what it is to serve."""

    def __init__(self) -> None:
        self.handlers: list[Any] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        self.handlers += handlers


class _Details:
    """Which method is called."""

    invocation_metadata = ()

    def __init__(self, method: str) -> None:
        self.method = method


class InProcess:
    """A service over memory, with an operator who may do everything and tokens of each kind."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._recorder = _Recorder()
        self.clock = FakeClock()
        self.keys: LiveKeys
        self.operator: Caller
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        settings = load_settings({"issuer": ISSUER, "root_key": _ROOT_KEY, "refusal_delay": 0, "pace_ms": 0})
        store, randomness = MemoryStore(), FakeRandomness("fuzz")
        self.keys = await open_keys(store, settings, self.clock, randomness)
        operator = Client(
            "operator",
            permissions=ALL_PERMISSIONS | {Permission.ADMIN},
            audiences=frozenset({"api"}),
            policy=policy_of(),
        )
        clients = clients_of(store, self.clock)
        _, secret = await clients.create(operator, confidential=True, caller=OPERATOR)
        for token_format in RefreshTokenFormat:
            app = Client(token_format.value, policy=policy_of(refresh_token_format=token_format))
            await clients.create(app, confidential=False, caller=OPERATOR)
        with patch.object(grpc.aio, "server", lambda **_options: self._recorder):
            build_server(store, self.keys, settings, self.clock, randomness)
        self.operator = Caller("operator", secret, None)  # type: ignore[arg-type] - it calls without a channel

    def call(self, method: str, data: bytes, metadata: Sequence[tuple[str, str | bytes]] | None = None) -> Any:
        """Call `method`, as the operator unless `metadata` says otherwise; answer its status and its message."""
        return self._loop.run_until_complete(self._call(method, data, metadata))

    async def _call(self, method: str, data: bytes, metadata: Sequence[tuple[str, str | bytes]] | None) -> Any:
        context = _Context(self.operator.metadata if metadata is None else metadata)
        handler = next(found for one in self._recorder.handlers if (found := one.service(_Details(method))))
        with suppress(grpc.aio.AbortError):
            if handler.unary_unary is None:
                return context.code, await _for_a_moment(handler.unary_stream(data, context))
            answer = await handler.unary_unary(data, context)
            if context.code is grpc.StatusCode.OK:
                return context.code, handler.response_serializer(answer)
        return context.code, None

    def issue(self, **fields: Any) -> pb.IssueResponse:
        """A good login; there is a client for each format of refresh tokens, of its name."""
        request = pb.IssueRequest(subject="ada", **fields)
        _, answer = self.call("/tokensvc.v1.TokenService/Issue", request.SerializeToString())
        return pb.IssueResponse.FromString(answer)

    def close(self) -> None:
        """End what is still running."""
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


async def _for_a_moment(stream: Coroutine[Any, Any, None]) -> None:
    """Run a stream until it has looked at its request and sent what there is; then its caller goes away."""
    task = asyncio.create_task(stream)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
