"""The composition root: the only file that names every concrete class, and puts them together."""

import os
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from tokensvc.config import Settings, SettingsError
from tokensvc.crypto.client_assertions import ClientAssertionVerifier, algorithms_of
from tokensvc.crypto.dpop_proofs import read_proof
from tokensvc.crypto.key_making import KeyMaker
from tokensvc.crypto.key_providers import open_providers
from tokensvc.crypto.live_keys import LiveKeys
from tokensvc.crypto.peer_certificate import read_peer_certificate
from tokensvc.crypto.root_keys import create_root_key, read_root_keys
from tokensvc.crypto.server_certificate import CertificateFiles
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.certificate import CertificateError
from tokensvc.domain.keys import KeyPurpose, StoredKey
from tokensvc.domain.policy import DAY, SECOND
from tokensvc.ports import Clock, Randomness, Store
from tokensvc.rpc import audit_service, client_service, key_service, revocations, session_service, token_service
from tokensvc.rpc.assertions import Assertions
from tokensvc.rpc.audit_service import AuditService
from tokensvc.rpc.caller import Callers
from tokensvc.rpc.client_service import ClientService
from tokensvc.rpc.guard import AnyMethod, Guard
from tokensvc.rpc.key_service import KeyService
from tokensvc.rpc.live_certificate import LiveCertificate
from tokensvc.rpc.peer import Peers
from tokensvc.rpc.server import RpcServer
from tokensvc.rpc.session_service import SessionService
from tokensvc.rpc.token_service import TokenService
from tokensvc.services.audit import AuditTrail
from tokensvc.services.audit_feed import AuditFeed
from tokensvc.services.client_assertions import Redemption
from tokensvc.services.clients import Clients
from tokensvc.services.exchange import ExchangeTokens
from tokensvc.services.flags import Flags
from tokensvc.services.introspect import IntrospectTokens
from tokensvc.services.issue import IssueTokens
from tokensvc.services.keys import KeyAdministration, Schedule, complain
from tokensvc.services.proofs import Proofs
from tokensvc.services.refresh import RefreshTokensOfSession
from tokensvc.services.refusals import INTERVAL, Refusals
from tokensvc.services.retention import Retention, beat
from tokensvc.services.revocation_feed import RevocationFeed
from tokensvc.services.revoke import RevokeTokens
from tokensvc.services.sessions import Sessions
from tokensvc.services.token_set import AccessTokenMinter
from tokensvc.store.audit_chain import SPARE_SECONDS
from tokensvc.store.database import Database
from tokensvc.store.migrating import check_schema, upgrade_database, upgrade_sqlite
from tokensvc.store.sql_store import SqlStore
from tokensvc.store.sqlite import SqliteDatabase

_LONGEST_MIGRATION = 3600.0
_LONGEST_MAX_AGE = 300  # seconds
_KEYS_INTERVAL = 20.0  # seconds, which a key may be late


def system_clock() -> int:
    """The present moment in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def open_database(settings: Settings) -> Database:
    """Open the database that is configured: PostgreSQL, or the embedded one, made or upgraded where needed."""
    if url := settings.database_url.get_secret_value():
        return _postgres(settings, url)
    upgrade_sqlite(settings.database_path)
    return SqliteDatabase(settings.database_path)


async def checked(database: Database) -> dict[str, str]:
    """Answer what the database says of itself and its durability; refuses one whose tables are too old."""
    await check_schema(database)
    return await database.settings()


def store_in(database: Database, settings: Settings, clock: Clock = system_clock) -> SqlStore:
    """The store in an open database, and in its replica where there is one; closing the store closes them."""
    replica = None
    if url := settings.replica_url.get_secret_value():
        replica = _postgres(settings, url, read_only=True)
    return SqlStore(
        database,
        clock,
        linger=settings.linger_ms / 1000,
        replica=replica,
        audit_addresses=settings.audit_addresses,
    )


def open_store(settings: Settings, clock: Clock = system_clock) -> SqlStore:
    """Open the store in the database that is configured."""
    return store_in(open_database(settings), settings, clock)


def _postgres(settings: Settings, url: str, *, timeout: float | None = None, read_only: bool = False) -> Database:
    try:
        from tokensvc.store.postgres import PostgresDatabase  # noqa: PLC0415 - its driver is an extra
    except ModuleNotFoundError as error:
        raise SettingsError(f"PostgreSQL needs the package {error.name}: pip install 'tokensvc[postgres]'") from error
    try:
        return PostgresDatabase(url, timeout=timeout or settings.database_timeout, read_only=read_only)
    except ValueError as error:
        raise SettingsError(f"{'replica_url' if read_only else 'database_url'}: {error}") from None


async def upgrade_schema(settings: Settings) -> tuple[str | None, str | None]:
    """Bring the database to this version's schema; answer its revision before and after."""
    if not (url := settings.database_url.get_secret_value()):
        return upgrade_sqlite(settings.database_path)
    database = _postgres(settings, url, timeout=_LONGEST_MIGRATION)
    try:
        return await upgrade_database(database)
    finally:
        await database.close()


async def open_keys(store: Store, settings: Settings, clock: Clock, randomness: Randomness) -> LiveKeys:
    """Open the keys; a new installation makes its root key, and a first key of each purpose that has none."""
    stored = await store.keys()
    maker = KeyMaker(_wrapper(settings, may_create=not stored), randomness)

    def opened(stored: Sequence[StoredKey]) -> LiveKeys:
        return LiveKeys(stored, maker, settings.issuer, verified_tokens=settings.verified_tokens, complain=complain)

    keys = opened(stored)  # first of all: by a root key that does not open what there is, nothing may be wrapped
    if lacking := set(KeyPurpose).difference(key.purpose for key in stored):
        await store.add_first_keys(maker.first_keys(clock(), sorted(lacking)))
        keys = opened(await store.keys())
    store.watch_keys(keys.take)
    return keys


def _wrapper(settings: Settings, *, may_create: bool) -> Wrapper:
    pin = settings.pkcs11_pin.get_secret_value()
    if (given := settings.root_key.get_secret_value()) and settings.root_key_file is None:
        return Wrapper(*open_providers(given, "root_key", pin))
    path = settings.root_key_path
    if may_create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_root_key(path)
    return Wrapper(*open_providers(read_root_keys(path), str(path), pin))


def duties(
    store: Store, keys: LiveKeys, settings: Settings, clock: Clock = system_clock
) -> list[Coroutine[Any, Any, None]]:
    """What a node does beside serving, each until it is cancelled."""
    holder = secrets.token_hex(8)
    retention = Retention(store, clock, audit_retention=settings.audit_retention * DAY)
    pruning = retention.run(holder, settings.prune_interval)
    rotation = key_administration(store, keys, settings, clock).run(holder, _KEYS_INTERVAL)
    beats = [beat(store, clock, holder)] if settings.replica_url.get_secret_value() else []
    return [pruning, rotation, keys.keep_trying(_KEYS_INTERVAL), *beats]


def key_administration(
    store: Store, keys: LiveKeys, settings: Settings, clock: Clock = system_clock
) -> KeyAdministration:
    """The administration of keys."""
    schedule = Schedule(
        lead=round(settings.key_lead * SECOND),
        signing_interval=settings.signing_key_days * DAY,
        mac_interval=settings.refresh_key_days * DAY,
    )
    return KeyAdministration(store, keys.maker, clock, schedule)


def clients_of(store: Store, clock: Clock = system_clock) -> Clients:
    """The administration of clients."""
    return Clients(store, clock, os.urandom, algorithms_of)


def credentials_of(settings: Settings, clock: Clock = system_clock) -> grpc.ServerCredentials | None:
    """What the server's port is given for TLS; None where it is plaintext. Fails with SettingsError."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    files = CertificateFiles(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)
    try:
        return LiveCertificate(files.read, clock).credentials()
    except CertificateError as error:
        raise SettingsError(str(error)) from None


def build_server(
    store: Store,
    keys: LiveKeys,
    settings: Settings,
    clock: Clock = system_clock,
    randomness: Randomness = os.urandom,
    extra_handlers: Sequence[grpc.GenericRpcHandler] = (),
    *,
    refusal_interval: float = INTERVAL,
    monotonic: Callable[[], float] = time.monotonic,
) -> RpcServer:
    """Put the service together; it does not listen yet.

    Refusals are recorded every `refusal_interval` seconds; rate limits go by `monotonic`, also in seconds.
    """
    refusals = Refusals(store, keys.refresh_tokens, clock, interval=refusal_interval)
    return RpcServer(
        _guard(store, refusals, settings, clock, monotonic),
        _services(store, keys, settings, clock, randomness),
        extra_handlers,
        store=store,
        refusals=refusals,
        shares_port=settings.workers > 1,
        max_connection_age=settings.max_connection_age,
    )


def _services(
    store: Store, keys: LiveKeys, settings: Settings, clock: Clock, randomness: Randomness
) -> Mapping[ServiceDescriptor, Mapping[str, AnyMethod]]:
    minter = AccessTokenMinter(keys.access_tokens, randomness, settings.issuer)
    proofs = Proofs(store, read_proof, clock, keys.dpop_nonces if settings.dpop_nonce else None)
    administration = key_administration(store, keys, settings, clock)
    tokens = TokenService(
        IssueTokens(store, minter, keys.refresh_tokens, clock, randomness, settings.issuer),
        RefreshTokensOfSession(store, minter, keys.refresh_tokens, proofs, clock, settings.issuer),
        RevokeTokens(store, keys.access_tokens, keys.refresh_tokens, clock),
        IntrospectTokens(store, keys.access_tokens, keys.refresh_tokens, proofs, clock, settings.issuer),
        ExchangeTokens(store, keys.access_tokens, clock, randomness),
        RevocationFeed(store, clock, revocations.written),
    )
    return {
        token_service.DESCRIPTOR: tokens.methods(),
        session_service.DESCRIPTOR: SessionService(Sessions(store, clock), Flags(store, clock)).methods(),
        key_service.DESCRIPTOR: KeyService(keys.access_tokens, administration, _jwks_max_age(settings)).methods(),
        client_service.DESCRIPTOR: ClientService(Clients(store, clock, randomness, algorithms_of)).methods(),
        audit_service.DESCRIPTOR: AuditService(_audit_trail(store, settings)).methods(),
    }


def _guard(store: Store, refusals: Refusals, settings: Settings, clock: Clock, monotonic: Callable[[], float]) -> Guard:
    """What every RPC passes through."""
    certificate_of = Peers(read_peer_certificate).certificate_of if settings.tls_client_ca_file else None
    assertions = Assertions(Redemption(store, ClientAssertionVerifier(settings.issuer), clock))
    return Guard(
        store,
        Callers(assertions, certificate_of),
        refusals,
        clock,
        monotonic,
        pace=settings.pace_ms / 1000,
        refusal_delay=settings.refusal_delay,
        max_concurrent_rpcs=settings.max_concurrent_rpcs,
        max_streams=settings.max_streams,
    )


def _jwks_max_age(settings: Settings) -> int:
    """In seconds: whoever keeps the public keys for so long knows the next one before it is used."""
    return int(min(_LONGEST_MAX_AGE, settings.key_lead / 2))


def _audit_trail(store: Store, settings: Settings) -> AuditTrail:
    """The trail; on PostgreSQL a transaction lasts for as long as its client, and then its server, are patient.

    A number may have been drawn a while before.
    """
    on_postgres = bool(settings.database_url.get_secret_value())
    return AuditTrail(
        store, AuditFeed(store, patience=2 * settings.database_timeout + SPARE_SECONDS + 1 if on_postgres else 0)
    )
