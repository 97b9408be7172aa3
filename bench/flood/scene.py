"""Owns the scene of the attack: a service of its own, an honest caller with sessions, and an attacker who may call."""

import asyncio
import secrets
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from multiprocessing import get_context
from typing import Any, Final

import grpc
from tokensvc_pb.v1 import token_service_pb2 as pb

from bench.cases import Server, Traffic, refreshing
from bench.deployment import POSTGRES, Deployment, Running, serving
from bench.flood.calling import INTROSPECT, REFRESH, rest
from bench.flood.forging import FORGERIES, Genuine
from bench.flood.trail import Watched, WatchedPostgres, WatchedSqlite
from bench.load import Caller
from bench.server import AUDIENCE, SCOPES, STATELESS_CLIENT, prepare
from tests.harness import failure_of
from tests.postgres import Postgres
from tokensvc.app import clients_of, open_store
from tokensvc.config import Settings, load_settings
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.policy import RefreshTokenFormat, TokenPolicy
from tokensvc.services.clients import OPERATOR

_ATTACKER: Final = "attacker"
_HONEST_SESSIONS: Final = 2_000  # more than ever are in flight, also where a load holds them up for seconds
_SEEN: Final = 50  # tokens of each format that the attacker changes
_SETTINGS: Final = {"max_connection_age": "86400"}  # connections made anew in the middle would be measured too


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything is ready; `attackers_process` is where the attacker's calls come from."""

    running: Running
    database: Watched
    honest: Caller
    attacker: Caller
    genuine: Genuine
    honest_traffics: Sequence[Traffic]
    introspections: Sequence[bytes]
    attackers_process: Executor

    def answer_names(self) -> Mapping[tuple[int, str], str]:
        """The code and reason behind each code and message, as a gRPC client reads them off one token of each kind."""
        host, port = self.attacker.address
        names = {}
        with grpc.insecure_channel(f"{host}:{port}") as channel:
            call: Callable[..., Any] = channel.unary_unary(REFRESH)
            for forge in FORGERIES.values():
                request = pb.RefreshRequest(refresh_token=forge(self.genuine)).SerializeToString()
                try:
                    call(request, metadata=(("authorization", self.attacker.authorization),), timeout=10)
                except grpc.RpcError as error:
                    failure = failure_of(error)  # type: ignore[arg-type] # both kinds of errors read alike
                    names[failure.code.value[0], failure.message] = f"{failure.code.name} {failure.reason}"
        return names


@contextmanager
def prepared(store: str, postgres: Postgres | None, refusal_delay: float) -> Iterator[Scene]:
    """The scene on a database of its own; `refusal_delay` is the server's setting."""
    with tempfile.TemporaryDirectory(prefix="tokensvc-flood-") as scratch, ExitStack() as stack:
        chosen = {**_SETTINGS, "refusal_delay": str(refusal_delay)}
        deployment = Deployment(store, settings=chosen)
        settings = {"data_dir": scratch, "database_url": "", "replica_url": "", **chosen}
        database: Watched = WatchedSqlite(load_settings(settings).database_path)
        if store == POSTGRES:
            assert postgres is not None
            name = f"flood_{secrets.token_hex(4)}"
            settings["database_url"] = postgres.create_database(name)
            stack.callback(postgres.drop_database, name)
            database = WatchedPostgres(postgres, name)
        loaded = load_settings(settings)
        authorization = asyncio.run(prepare(loaded))
        attackers = asyncio.run(_register(loaded))
        running = stack.enter_context(serving(deployment, settings, authorization, postgres))
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
        pool.submit(rest, 0).result()  # so that it has started before anything is measured
        yield _scene(running, database, attackers, pool)


def _scene(running: Running, database: Watched, attackers: str, pool: Executor) -> Scene:
    server = running.server
    (honest,) = server.callers
    attacker = replace(honest, authorization=attackers)
    sessions, seen = server.issue(_HONEST_SESSIONS), server.issue(_SEEN)
    stateless = server.issue(_SEEN, STATELESS_CLIENT)
    jwt = Server([attacker]).issue(_SEEN, _ATTACKER)
    genuine = Genuine(*([one.refresh_token for one in issued] for issued in (seen, jwt, stateless)))
    introspections = [pb.IntrospectRequest(token=one.access_token).SerializeToString() for one in sessions]
    turns = cycle(introspections)
    return Scene(
        running,
        database,
        honest,
        attacker,
        genuine,
        [refreshing([[one.refresh_token for one in sessions]]), Traffic(INTROSPECT, lambda _slot: next(turns))],
        introspections,
        pool,
    )


async def _register(settings: Settings) -> str:
    """Register the attacker, whose own tokens are JWTs; answer its metadata."""
    store = open_store(settings)
    try:
        attacker = Client(
            _ATTACKER,
            permissions=frozenset({Permission.ISSUE, Permission.REFRESH, Permission.INTROSPECT}),
            audiences=frozenset({AUDIENCE}),
            policy=TokenPolicy(scopes=SCOPES, audiences=(AUDIENCE,), refresh_token_format=RefreshTokenFormat.JWT),
        )
        _, secret = await clients_of(store).create(attacker, confidential=True, caller=OPERATOR)
    finally:
        await store.close()
    return "Basic " + b64encode(f"{_ATTACKER}:{secret}".encode()).decode()
