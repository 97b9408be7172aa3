"""Owns what the calls about clients take and answer. Every field has the meaning, and the default, of the contract."""

from dataclasses import dataclass, field
from datetime import datetime

from tokensvc_client.values.plain import Enumeration
from tokensvc_client.values.policies import ExchangePolicy, RateLimit, TokenPolicy


class ClientType(Enumeration):
    """Whether a client can keep a secret (RFC 6749, 2.1). A public one cannot call: another client relays it."""

    UNSPECIFIED = 0
    CONFIDENTIAL = 1
    PUBLIC = 2


class ClientAuthMethod(Enumeration):
    """How a confidential client authenticates (RFC 7591, 2)."""

    UNSPECIFIED = 0
    SECRET = 1
    PRIVATE_KEY_JWT = 2
    TLS = 3


class Permission(Enumeration):
    """What a caller may do."""

    UNSPECIFIED = 0
    ISSUE = 1
    REFRESH = 2
    INTROSPECT = 3
    REVOKE = 4
    EXCHANGE = 5
    WATCH = 6
    ADMIN = 7


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """How a client authenticates beyond a secret: a JWK Set as JSON with algorithms, or what its certificate names."""

    jwks: str = ""
    algorithms: tuple[str, ...] = ()
    tls_spiffe_id: str = ""
    tls_dns_name: str = ""
    tls_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """A client: who may call, or whom tokens are issued for. `created_at` and `updated_at` are the service's alone.

    It may act for the clients `acts_for` beside itself ("*": all), and sees the tokens for `audiences` when it
    introspects.
    """

    client_id: str
    name: str = ""
    type: ClientType = ClientType.CONFIDENTIAL
    disabled: bool = False
    permissions: tuple[Permission, ...] = ()
    acts_for: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    token_policy: TokenPolicy | None = None
    auth_method: ClientAuthMethod = ClientAuthMethod.UNSPECIFIED
    keys: ClientKeys | None = None
    rate_limit: RateLimit | None = None
    exchange_policy: ExchangePolicy | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CreatedClient:
    """The client as registered, and its secret, shown this once: empty where it has none."""

    client: Client
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientPage:
    """Some clients in the order of their ids, and what names the next page: empty at the end."""

    clients: tuple[Client, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """The new secret, shown this once, and when the one before ends."""

    client_secret: str = field(repr=False)
    previous_expires_at: datetime | None
