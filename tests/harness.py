"""A whole service in this process, called over real gRPC."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from tokensvc_pb.v1 import (
    audit_service_pb2_grpc,
    client_service_pb2_grpc,
    key_service_pb2_grpc,
    session_service_pb2_grpc,
    token_service_pb2_grpc,
)

from tests.fakes import FakeClock, FakeRandomness
from tokensvc.app import build_server, clients_of, open_keys, open_store
from tokensvc.config import Settings, load_settings
from tokensvc.crypto.live_keys import LiveKeys
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.policy import TokenPolicy
from tokensvc.ports import Store
from tokensvc.rpc.server import RpcServer
from tokensvc.services.clients import OPERATOR, Clients
from tokensvc.store.memory import MemoryStore

ISSUER = "https://issuer.test"
_NEVER = 86_400.0  # refusals are written at the end, or when a test asks for it: tables do not change by themselves
ALL_PERMISSIONS = frozenset(Permission) - {Permission.ADMIN}


@dataclass
class Caller:
    """One client's credentials and the stubs to call with; every method adds the metadata."""

    client_id: str
    secret: str
    channel: grpc.aio.Channel
    seconds: float = 10

    def within(self, seconds: float) -> "Caller":
        """The same caller, whose calls may take that long."""
        return replace(self, seconds=seconds)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The authorization entry."""
        pair = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        return (("authorization", f"Basic {pair}"),)

    def __getattr__(self, method: str) -> Any:
        for stub in (
            token_service_pb2_grpc.TokenServiceStub(self.channel),
            session_service_pb2_grpc.SessionServiceStub(self.channel),
            key_service_pb2_grpc.KeyServiceStub(self.channel),
            client_service_pb2_grpc.ClientServiceStub(self.channel),
            audit_service_pb2_grpc.AuditServiceStub(self.channel),
        ):
            if hasattr(stub, method):
                rpc = getattr(stub, method)
                return lambda request, **options: rpc(request, metadata=self.metadata, timeout=self.seconds, **options)
        raise AttributeError(method)


@dataclass
class Service:
    """A running service and what the tests hold of it."""

    store: Store
    keys: LiveKeys
    clients: Clients
    clock: FakeClock
    channel: grpc.aio.Channel
    port: int
    server: RpcServer
    settings: Settings

    async def caller(self, client_id: str, *, policy: TokenPolicy | None = None, **fields: Any) -> Caller:
        """Register a confidential client: all permissions but admin, acts for every client, answers for `api`."""
        client = Client(
            client_id,
            permissions=fields.pop("permissions", ALL_PERMISSIONS),
            acts_for=fields.pop("acts_for", frozenset({"*"})),
            audiences=fields.pop("audiences", frozenset({"api"})),
            policy=policy or policy_of(),
            **fields,
        )
        _, secret = await self.clients.create(client, confidential=True, caller=OPERATOR)
        return Caller(client_id, secret, self.channel)

    async def public_client(self, client_id: str, policy: TokenPolicy | None = None) -> None:
        """Register a public client."""
        await self.clients.create(Client(client_id, policy=policy or policy_of()), confidential=False, caller=OPERATOR)


def policy_of(**fields: Any) -> TokenPolicy:
    """A token policy with the scopes `read` and `write` and the audiences `api` and `billing`."""
    return TokenPolicy(**{"scopes": ("read", "write"), "audiences": ("api", "billing"), **fields})


@asynccontextmanager
async def running_service(
    data_dir: Path, *, memory: bool = False, clock: FakeClock | None = None, **flags: Any
) -> AsyncIterator[Service]:
    """Start a service on SQLite in `data_dir` (or in memory) and stop it at the end."""
    clock = clock or FakeClock()
    fixed = {"data_dir": data_dir, "issuer": ISSUER, "linger_ms": 0, "refusal_delay": 0, "audit_addresses": True}
    settings = load_settings(fixed | flags)
    store: Store = MemoryStore() if memory else open_store(settings, clock)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        randomness = FakeRandomness(str(data_dir))
        keys = await open_keys(store, settings, clock, randomness)
        server = build_server(
            store, keys, settings, clock, randomness, refusal_interval=_NEVER, monotonic=lambda: clock.now / 1000
        )
        port = server.listen("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, grace=5)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        yield Service(store, keys, clients_of(store, clock), clock, channel, port, server, settings)


@dataclass(frozen=True)
class Failure:
    """What a failed RPC said."""

    code: grpc.StatusCode
    message: str
    reason: str
    fields: tuple[str, ...]
    retry_after: float = 0.0


async def failure(call: Any) -> Failure:
    """Await an RPC that must fail, and read its status."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    raise AssertionError(f"the call succeeded: {answer}")


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """Read the status of a failed RPC with its details."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    info, violations = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(violations)
        detail.Unpack(retry)
    fields = tuple(violation.field for violation in violations.field_violations)
    retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return Failure(error.code(), error.details() or "", info.reason, fields, retry_after)
