"""Owns the server under load: the real service in a process of its own, and an empty RPC beside it."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import grpc
import uvloop

from tokensvc.app import build_server, clients_of, open_keys, open_store, system_clock, upgrade_schema
from tokensvc.cli.serving import settle_collector
from tokensvc.config import Settings, load_settings
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.policy import HOUR, RefreshTokenFormat, TokenPolicy
from tokensvc.rpc.server import RpcServer
from tokensvc.services.clients import OPERATOR
from tokensvc.store.sql_store import SqlStore

EMPTY = "/bench.Bench/Empty"
COUNTS = "/bench.Bench/Counts"
USER_CLIENT = "mobile-app"
STATELESS_CLIENT = "stateless-app"
SCOPES = ("orders.read", "orders.write")
AUDIENCE = "orders-api"
_CALLER = "bench"
# As long as the answer to Introspect of the tokens of this bench.
_ANSWER = bytes(270)


async def prepare(settings: Settings) -> str:
    """Make schema, keys, and clients in a new database; answer the metadata of a caller who may do everything."""
    await upgrade_schema(settings)
    store = open_store(settings)
    try:
        await open_keys(store, settings, system_clock, os.urandom)
        clients = clients_of(store)
        policy = TokenPolicy(access_ttl=HOUR, scopes=SCOPES, audiences=(AUDIENCE,))
        await clients.create(Client(USER_CLIENT, policy=policy), confidential=False, caller=OPERATOR)
        stateless = replace(policy, refresh_token_format=RefreshTokenFormat.STATELESS_JWT)
        await clients.create(Client(STATELESS_CLIENT, policy=stateless), confidential=False, caller=OPERATOR)
        caller = Client(
            _CALLER,
            permissions=frozenset(Permission) - {Permission.ADMIN},
            acts_for=frozenset({USER_CLIENT, STATELESS_CLIENT}),
            audiences=frozenset({AUDIENCE}),
        )
        _, secret = await clients.create(caller, confidential=True, caller=OPERATOR)
        return "Basic " + base64.b64encode(f"{_CALLER}:{secret}".encode()).decode()
    finally:
        await store.close()


def counts(server: RpcServer, store: SqlStore) -> Mapping[str, int]:
    """What pacing (rpcs, paced, ticks), group commit (units, batches, lingers) and follower (looks, reads) counted."""
    return {**server.counts, **store.counts}


def handlers(count: Callable[[], Mapping[str, int]]) -> grpc.GenericRpcHandler:
    """A method that does nothing, which is what grpc.aio itself costs, and one that answers the counts."""

    async def empty(_request: bytes, _context: object) -> bytes:
        return _ANSWER

    async def answer_counts(_request: bytes, _context: object) -> bytes:
        return json.dumps(count()).encode()

    methods: dict[str, Callable[[bytes, Any], Awaitable[bytes]]] = {EMPTY: empty, COUNTS: answer_counts}
    service = EMPTY.split("/")[1]
    return grpc.method_handlers_generic_handler(
        service, {path.split("/")[2]: grpc.unary_unary_rpc_method_handler(method) for path, method in methods.items()}
    )


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM; write the port as a line on standard output."""
    store = open_store(settings)
    keys = await open_keys(store, settings, system_clock, os.urandom)
    server = build_server(store, keys, settings, extra_handlers=[handlers(lambda: counts(server, store))])
    port = server.listen("127.0.0.1:0")
    settle_collector()
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await server.stop(grace=1)
    await store.close()


if __name__ == "__main__":
    uvloop.run(serve(load_settings({})))
