"""Owns the interfaces between the services and what lies outside: the store, the keys, time and chance."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import field
from typing import Final, Generic, Protocol, TypeVar

from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.client import Client
from tokensvc.domain.client_assertion import ClientAssertion
from tokensvc.domain.client_directory import ClientDirectory
from tokensvc.domain.dpop_proof import DpopProof
from tokensvc.domain.effects import LAST_NUMBER, AuditEvent, Effects
from tokensvc.domain.keys import KeyPurpose, StoredKey
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.domain.refresh_token import RefreshToken
from tokensvc.domain.revocation import LogEntry
from tokensvc.domain.session import Grant, Session
from tokensvc.domain.used_id import UsedId
from tokensvc.domain.value import value
from tokensvc.domain.view import View

T = TypeVar("T")

Clock = Callable[[], int]
"""Answers the present moment in milliseconds since the Unix epoch."""

BEAT: Final = "beat"
"""The lease whose renewals tell how old a copy of the database is."""

Randomness = Callable[[int], bytes]
"""Answers that many unpredictable bytes."""

AlgorithmsOf = Callable[[str], Collection[str]]
"""Answers the algorithms that the keys of a JWK Set can be used with; refuses what is none, naming keys.jwks."""

ReadProof = Callable[[str], DpopProof | None]
"""Answers what a DPoP proof says; None unless it is well-formed and signed by the key that it brings along."""

Owner = tuple[str, str]
"""A subject and a client: whose sessions, and with whom."""


class Rows(Protocol):
    """The rows that a decision may look at, as they are inside its transaction."""

    def session(self, session_id: str) -> Session | None:
        """The session, if there is one."""

    def client(self, client_id: str) -> Client | None:
        """The client, if there is one."""

    def keys(self) -> Sequence[StoredKey]:
        """All keys, if the unit has asked for them."""

    def is_first_use(self, used_id: UsedId) -> bool:
        """Whether the unit that brings this id is the first one ever; no other one is, as soon as it was asked."""

    def sessions_of(self, owner: Owner) -> Sequence[Session]:
        """The sessions of an owner that no unit has ended, as far as a unit of the batch has asked for them."""

    def barred(self, grant: Grant) -> bool:
        """Whether a barrier of its subject, device or client ends `grant`."""


@value(frozen=True, slots=True)
class Unit(Generic[T]):
    """One write: the rows to load, and the pure decision on them. The store may run `decide` more than once.

    Rows are locked, the client's too, or found unchanged when the outcome is written: so of several units that ask for
    a client and for the sessions of one of its subjects, each sees what the one before it has begun. A session that is
    `brought` along is looked at like a row, with its barriers, and never written. Units that ask for the `keys` are
    alone with them. A `used_id` is kept with the transaction, whatever is decided. A store may call `meanwhile`, which
    must be quick, with an outcome that is not durable yet and may never be: not at all, or once for each that it tries.
    """

    decide: Callable[[Rows], Effects[T]]
    session_id: str = ""
    client_id: str = ""
    owner: Owner | None = None
    brought: Session | None = field(default=None, repr=False)
    keys: bool = False
    used_id: UsedId | None = None
    meanwhile: Callable[[T], object] | None = None


@value(frozen=True, slots=True)
class Committed(Generic[T]):
    """A durable outcome, and the revision of the last log entry written with it (zero without one)."""

    outcome: T
    revision: int


@value(frozen=True, slots=True)
class SessionRow:
    """A session as read outside a transaction, and whether a barrier ends it."""

    session: Session
    barred: bool


@value(frozen=True, slots=True)
class SessionFilter:
    """Which sessions to list: empty values do not filter. `before` is where the page begins, newest first.

    `of_clients` are those that may be seen; None for all.
    """

    subject: str = ""
    client_id: str = ""
    device_id: str = ""
    of_clients: frozenset[str] | None = None
    before: tuple[int, str] | None = None
    limit: int = 100


@value(frozen=True, slots=True)
class AuditFilter:
    """Which audit events: empty values do not filter. `client_id` is the caller or the client of the token.

    The times are in milliseconds, the first one included, the last one not.
    """

    subject: str = ""
    client_id: str = ""
    session_id: str = ""
    types: tuple[str, ...] = ()
    from_time: int | None = None
    to_time: int | None = None


@value(frozen=True, slots=True)
class AuditQuery:
    """Audit events by `where` with numbers between `after` and `before`, these two not included."""

    where: AuditFilter = AuditFilter()
    after: int = 0
    before: int = LAST_NUMBER
    newest_first: bool = False
    limit: int = 100


@value(frozen=True, slots=True)
class AuditRecord:
    """An audit event at its place in the trail; an event that is in no chain has an empty hash."""

    sequence: int
    event: AuditEvent
    chain_hash: bytes


@value(frozen=True, slots=True)
class AuditPage:
    """What a look at a part of the trail has found.

    `reached` is the last number that was looked at, whether or not its event was wanted; `complete` says that nothing
    that is wanted can lie behind it.
    """

    records: Sequence[AuditRecord]
    reached: int
    complete: bool


class Store(Protocol):
    """Where sessions, clients, keys and the revocation log are kept.

    Every method refuses with STORE_UNAVAILABLE when the database cannot answer; nothing is half done then.
    """

    async def commit(self, unit: Unit[T]) -> Committed[T]:
        """Run `unit` in a transaction with others; answer when it is durable. OVERLOADED where too many wait."""

    async def view(self, *, min_revision: int = 0, max_staleness: int = 0) -> View:
        """The view of the log; with `max_staleness` zero, not older than this call (milliseconds).

        Refuses with STORE_UNAVAILABLE if the log has not reached `min_revision`.
        """

    async def log_entries(self, after: int, until: int, now: int, limit: int) -> Sequence[LogEntry]:
        """Entries of the log behind `after` up to `until`, which a view has shown, needed at `now`, lowest first."""

    async def sessions_by_id(self, session_ids: Collection[str]) -> Mapping[str, SessionRow]:
        """The sessions with these ids, as far as they exist, all as they were in one moment after this call began."""

    async def brought(self, sessions: Sequence[Session]) -> Sequence[SessionRow]:
        """The same for sessions that have no row, one answer for each in their order: whether a barrier ends it."""

    async def sessions(self, wanted: SessionFilter) -> Sequence[SessionRow]:
        """Sessions by `wanted`, the one that began last first."""

    async def audit_events(self, wanted: AuditQuery) -> AuditPage:
        """Audit events by `wanted`, in the order of their numbers. Of a long trail a look goes through a part only."""

    async def audit_numbers(self, after: int, limit: int) -> Sequence[int]:
        """The numbers of the audit events behind `after`, the lowest first. What is not committed yet is missing."""

    async def keys(self) -> Sequence[StoredKey]:
        """All keys with their wrapped private parts."""

    def watch_keys(self, tell: Callable[[Sequence[StoredKey]], Awaitable[None]]) -> None:
        """Let `tell`, which must not fail, know all keys before the first view and each that knows of a change."""

    async def add_first_keys(self, keys: Sequence[StoredKey]) -> None:
        """Add those of `keys` whose purpose has none yet; of several nodes that start together one wins."""

    async def prune(self, now: int, limit: int, audit_before: int = 0) -> Counter[str]:
        """Delete up to `limit` rows of each table that nothing needs any more; answer how many, by table.

        Of the audit events these are the ones from before the moment `audit_before`, unless they are not as they were
        written: these stay, with what follows them in their chain.
        """

    async def hold_lease(self, name: str, holder: str, now: int, span: int) -> bool:
        """Take or renew the lease `name` for `span` milliseconds; answer False while it is another holder's.

        A holder whose clock is ahead may take it too early: what it stands for must bear being done by two.
        """

    async def release_lease(self, name: str, holder: str) -> None:
        """Let others take the lease at once; nothing happens if it is not the holder's."""

    async def check(self) -> None:
        """Refuse with STORE_UNAVAILABLE unless the database can be read and, after a write has failed, be written."""

    async def close(self) -> None:
        """Finish what was begun and let go of the database."""


class AccessTokens(Protocol):
    """Signs and verifies access tokens."""

    def sign(self, token: AccessToken) -> str:
        """Answer the JWT of `token`."""

    def verify(self, text: str) -> AccessToken | None:
        """Read a JWT; None unless it is genuine and well-formed. Says nothing about its lifetime."""

    def jwks(self) -> str:
        """The public keys as a JWK Set (RFC 7517)."""


class KeyMaker(Protocol):
    """Makes the service's keys; their private parts are wrapped."""

    algorithms: Collection[str]
    """What signing keys there can be, by the names of RFC 7518 and RFC 8037."""

    def signing_key(self, algorithm: str) -> StoredKey:
        """A new key pair of one of the `algorithms`; its times are yet to be set."""

    def mac_key(self, purpose: KeyPurpose, taken: Collection[str]) -> StoredKey:
        """A new key of one of the MAC purposes, whose name is none of those `taken`; refuses when all 255 are."""

    def rewrapped(self, key: StoredKey) -> StoredKey:
        """The same key under the present root key; equal to `key` if it is so already."""


class RefreshTokens(Protocol):
    """Writes and checks refresh tokens, and derives their handles, with the service's MAC keys."""

    key_changes: int  # of any purpose, signing too: as long as this is the same, what was genuine still is

    def mint(self, handle: bytes, session: Session, token_format: RefreshTokenFormat) -> str:
        """Answer the one valid refresh token of `session`: the same text for the same generation, whoever asks."""

    def is_one(self, text: str) -> bool:
        """Whether `text` has the form of a refresh token, genuine or not."""

    def open(self, text: str) -> RefreshToken | None:
        """Read a token of any format; None unless it is genuine."""

    def is_genuine(self, text: str) -> bool:
        """Whether one of the present keys has sealed `text`, whatever it says: much less work than to `open` it."""

    def handles_for(self, caller: str, idempotency_key: str, now: int) -> Sequence[bytes]:
        """Answer the handles that belong to a caller's idempotency key: under the key for `now`, then under others."""


class ClientAssertions(Protocol):
    """Verifies what clients authenticate by in place of a secret."""

    def claimed_client(self, text: str) -> str:
        """The client that an assertion says it is from, right or wrong; empty if that cannot be understood."""

    def verify(self, text: str, directory: ClientDirectory, now: int) -> ClientAssertion | None:
        """Read an assertion, used or not; None unless it is genuine, for us, in time, and from one that may call."""


class DpopNonces(Protocol):
    """Makes and knows the nonces of proofs, the same on every node."""

    def present(self, now: int) -> str:
        """The nonce to be used now."""

    def is_good(self, nonce: str, now: int) -> bool:
        """Whether `nonce` is the present one, or of a moment ago."""
