"""The composition root: the only file that names every concrete class, and puts them together."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from tokensvc_pb.v1 import audit_service_pb2, client_service_pb2

from tokensvc.config import Settings
from tokensvc.crypto.access_tokens import AccessTokenSigner
from tokensvc.crypto.key_ring import RefreshTokenMac, first_keys, open_mac_keys, open_signing_keys
from tokensvc.crypto.verified_cache import VerifiedCache
from tokensvc.crypto.wrapping import Wrapper, create_root_key, load_root_key
from tokensvc.ports import AccessTokens, Clock, Randomness, RefreshTokens, Store
from tokensvc.rpc import key_service, session_service, token_service
from tokensvc.rpc.guard import Guard, Method, OpenMethod
from tokensvc.rpc.key_service import KeyService
from tokensvc.rpc.server import RpcServer
from tokensvc.rpc.session_service import SessionService
from tokensvc.rpc.token_service import TokenService
from tokensvc.services.clients import Clients
from tokensvc.services.introspect import IntrospectTokens
from tokensvc.services.issue import IssueTokens
from tokensvc.services.refresh import RefreshTokensOfSession
from tokensvc.services.revoke import RevokeTokens
from tokensvc.services.sessions import Sessions
from tokensvc.services.token_set import AccessTokenMinter
from tokensvc.store.migrating import upgrade_sqlite
from tokensvc.store.sql_store import SqlStore
from tokensvc.store.sqlite import SqliteDatabase


def system_clock() -> int:
    """The present moment in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Keys:
    """The service's keys at work."""

    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens


def open_database(settings: Settings) -> SqliteDatabase:
    """Open the embedded database, creating or upgrading it where needed."""
    upgrade_sqlite(settings.database_path)
    return SqliteDatabase(settings.database_path)


def store_in(database: SqliteDatabase, settings: Settings, clock: Clock = system_clock) -> SqlStore:
    """The store in an open database; closing the store closes the database."""
    return SqlStore(database, clock, linger=settings.linger_ms / 1000)


def open_store(settings: Settings, clock: Clock = system_clock) -> SqlStore:
    """Open the store in the embedded database, creating or upgrading it where needed."""
    return store_in(open_database(settings), settings, clock)


def upgrade_database(settings: Settings) -> tuple[str | None, str | None]:
    """Bring the embedded database to this version's schema; answer its revision before and after."""
    return upgrade_sqlite(settings.database_path)


async def open_keys(store: Store, settings: Settings, clock: Clock, randomness: Randomness) -> Keys:
    """Open the keys; a new installation makes its root key and its first keys."""
    wrapper = Wrapper(_root_key(settings.root_key_path, may_create=not await store.keys()))
    if not await store.keys():
        await store.add_first_keys(first_keys(wrapper, randomness, clock()))
    stored = await store.keys()
    signer = AccessTokenSigner(open_signing_keys(stored, wrapper), settings.issuer)
    return Keys(VerifiedCache(signer, settings.verified_tokens), RefreshTokenMac(open_mac_keys(stored, wrapper)))


def _root_key(path: Path, *, may_create: bool) -> bytes:
    if may_create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_root_key(path)
    return load_root_key(path)


def clients_of(store: Store, settings: Settings, clock: Clock = system_clock) -> Clients:
    """The administration of clients."""
    return Clients(store, clock, os.urandom, settings.issuer)


def build_server(
    store: Store,
    keys: Keys,
    settings: Settings,
    clock: Clock = system_clock,
    randomness: Randomness = os.urandom,
    extra_handlers: Sequence[grpc.GenericRpcHandler] = (),
) -> RpcServer:
    """Put the service together; it does not listen yet."""
    minter = AccessTokenMinter(keys.access_tokens, randomness, settings.issuer)
    tokens = TokenService(
        IssueTokens(store, minter, keys.refresh_tokens, clock, randomness),
        RefreshTokensOfSession(store, minter, keys.refresh_tokens, clock),
        RevokeTokens(store, keys.access_tokens, keys.refresh_tokens, clock),
        IntrospectTokens(store, keys.access_tokens, keys.refresh_tokens, clock),
    )
    services: dict[ServiceDescriptor, Mapping[str, Method | OpenMethod]] = {
        token_service.DESCRIPTOR: tokens.methods(),
        session_service.DESCRIPTOR: SessionService(Sessions(store, clock)).methods(),
        key_service.DESCRIPTOR: KeyService(keys.access_tokens).methods(),
        client_service_pb2.DESCRIPTOR.services_by_name["ClientService"]: {},
        audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"]: {},
    }
    return RpcServer(Guard(store, pace=settings.pace_ms / 1000), services, extra_handlers)
