"""Owns what a client is: who may call, and for whom it may act."""

from dataclasses import field, replace
from enum import StrEnum

from tokensvc.domain.client_authentication import NO_KEYS, AuthMethod, ClientKeys
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import DEFAULT_POLICY, EVERY_CLIENT, NO_EXCHANGE, ExchangePolicy, TokenPolicy
from tokensvc.domain.rate_limit import NO_LIMIT, RateLimit
from tokensvc.domain.value import value


class Permission(StrEnum):
    """What a caller may do."""

    ISSUE = "issue"
    REFRESH = "refresh"
    INTROSPECT = "introspect"
    REVOKE = "revoke"
    EXCHANGE = "exchange"
    WATCH = "watch"
    ADMIN = "admin"


@value(frozen=True, slots=True)
class Client:
    """A registered client. One without `auth_method` is public: it cannot call, others relay it (RFC 6749, 2.1).

    One that authenticates by a secret and has no `secret_hash` cannot call before it is given one.
    `previous_secret_hash` is of the secret before, with which it may call until `previous_expires_at`. One that another
    version has described with more than this one knows is not `is_complete`: to write it would lose that. A refresh
    token that was consumed before `retries_from` is not answered again.
    """

    client_id: str
    name: str = ""
    disabled: bool = False
    secret_hash: bytes | None = field(default=None, repr=False)
    previous_secret_hash: bytes | None = field(default=None, repr=False)
    previous_expires_at: int = 0
    permissions: frozenset[Permission] = frozenset()
    acts_for: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    policy: TokenPolicy = DEFAULT_POLICY
    exchange_policy: ExchangePolicy = NO_EXCHANGE
    created_at: int = 0
    updated_at: int = 0
    is_complete: bool = True
    retries_from: int = 0
    rate_limit: RateLimit = NO_LIMIT
    auth_method: AuthMethod | None = None
    keys: ClientKeys = NO_KEYS

    @property
    def is_confidential(self) -> bool:
        """Whether it can call, by whichever method."""
        return self.auth_method is not None

    def with_method(self, method: AuthMethod | None) -> "Client":
        """The client with this method; with another one than before, what it authenticated by until now goes away."""
        if method is self.auth_method:
            return self
        return replace(
            self,
            auth_method=method,
            keys=NO_KEYS,
            secret_hash=None,
            previous_secret_hash=None,
            previous_expires_at=0,
        )

    def authenticates_like(self, other: "Client") -> bool:
        """Whether it is the same client as `other` and proves it by the same."""
        return (self.client_id, self.created_at, self.auth_method, self.keys) == (
            other.client_id,
            other.created_at,
            other.auth_method,
            other.keys,
        )

    def secret_hashes(self, now: int) -> tuple[bytes | None, bytes | None]:
        """The hash of its secret, and that of the secret before while that one is valid."""
        return self.secret_hash, self.previous_secret_hash if now < self.previous_expires_at else None

    def require(self, permission: Permission) -> None:
        """Refuse with CALLER_NOT_PERMITTED unless the client has `permission`."""
        if permission not in self.permissions:
            raise RefusedError(Reason.CALLER_NOT_PERMITTED, f"the caller lacks the permission {permission.value!r}")

    @property
    def acts_for_every_client(self) -> bool:
        """Whether no client is out of its reach."""
        return EVERY_CLIENT in self.acts_for or Permission.ADMIN in self.permissions

    @property
    def visible_clients(self) -> frozenset[str] | None:
        """The clients whose tokens and sessions it may see; None for all."""
        return None if self.acts_for_every_client else self.acts_for | {self.client_id}

    def with_policy(self, policy: TokenPolicy, now: int) -> "Client":
        """The client with another policy. What this one would not have answered again, a more generous one does not."""
        is_wider = policy.tolerance > self.policy.tolerance
        retries_from = max(self.retries_from, now - self.policy.tolerance) if is_wider else self.retries_from
        return replace(self, policy=policy, retries_from=retries_from)

    def may_act_for(self, client_id: str) -> bool:
        """Whether it may handle tokens issued for `client_id`; every client may for itself."""
        return client_id == self.client_id or client_id in self.acts_for or self.acts_for_every_client
