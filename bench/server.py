"""Owns the server under load: the real service in a process of its own, and an empty RPC beside it."""

import asyncio
import base64
import json
import os
import signal
import sys
from pathlib import Path

import grpc
import uvloop

from tokensvc.app import build_server, clients_of, open_keys, open_store, system_clock
from tokensvc.cli.serving import settle_collector
from tokensvc.config import load_settings
from tokensvc.domain.client import Client, Permission, TokenPolicy

EMPTY = "/bench.Empty/Call"
SCOPES = ("orders.read", "orders.write")
AUDIENCE = "https://api.example.com"
# As long as the answer to Introspect of the tokens of this bench.
_ANSWER = bytes(270)


def empty_handler() -> grpc.GenericRpcHandler:
    """A method that does nothing: what grpc.aio itself costs."""

    async def call(_request: bytes, _context: object) -> bytes:
        return _ANSWER

    service, method = EMPTY.strip("/").split("/")
    return grpc.method_handlers_generic_handler(service, {method: grpc.unary_unary_rpc_method_handler(call)})


async def serve(data_dir: Path) -> None:
    """Serve until SIGTERM; write where and for whom as one JSON line on standard output."""
    settings = load_settings({"data_dir": data_dir})
    store = open_store(settings)
    keys = await open_keys(store, settings, system_clock, os.urandom)
    policy = TokenPolicy(scopes=SCOPES, audiences=(AUDIENCE,))
    client = Client("bench", permissions=frozenset(Permission), audiences=frozenset({AUDIENCE}), policy=policy)
    _, secret = await clients_of(store, settings).create(client, confidential=True)
    server = build_server(store, keys, settings, extra_handlers=[empty_handler()])
    port = server.listen("127.0.0.1:0")
    settle_collector()
    await server.start()
    authorization = "Basic " + base64.b64encode(f"bench:{secret}".encode()).decode()
    sys.stdout.write(json.dumps({"port": port, "authorization": authorization}) + "\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await server.stop(grace=1)
    await store.close()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
