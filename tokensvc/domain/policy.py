"""Owns the policies of a client: how the tokens issued for it live, rotate and are bound, and what it may trade."""

from enum import StrEnum
from typing import Final

from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.value import value

EVERY_CLIENT = "*"

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

MAX_ACCESS_TTL = 24 * HOUR
MAX_REFRESH_TTL = 400 * DAY
MAX_RETRY_WINDOW = HOUR
MAX_SESSIONS = 1000


class Rotation(StrEnum):
    """When a refresh token is replaced by its successor (RFC 9700, 4.14.2)."""

    ALWAYS = "always"
    """At every refresh, without a retry window."""
    GRACEFUL = "graceful"
    """At every refresh, with a retry window."""
    PERIODIC = "periodic"
    """When the last rotation is older than an interval."""
    SELECTIVE = "selective"
    """On a sign of risk."""
    NEVER = "never"
    """Not at all: for sender-bound clients."""


class RefreshTokenFormat(StrEnum):
    """What a refresh token looks like."""

    OPAQUE = "opaque"
    JWT = "jwt"
    """The same state in a signed JWT of type rt+jwt."""
    STATELESS_JWT = "stateless_jwt"
    """Everything in the JWT: no session row, no reuse detection."""


class BindingAction(StrEnum):
    """What happens when a value that a session is bound to differs."""

    IGNORE = "ignore"
    AUDIT = "audit"
    REJECT = "reject"
    END_SESSION = "end_session"


class SessionLimitAction(StrEnum):
    """What happens when a subject has as many sessions as it may have."""

    END_OLDEST = "end_oldest"
    REFUSE = "refuse"


class SenderConstraint(StrEnum):
    """Which key a client's tokens must be bound to."""

    NONE = "none"
    DPOP = "dpop"
    """RFC 9449."""
    TLS = "tls"
    """RFC 8705, 3."""

    def is_met_by(self, confirmation: Confirmation | None) -> bool:
        """Whether tokens with this `confirmation` may be the client's."""
        match self:
            case SenderConstraint.NONE:
                return True
            case SenderConstraint.DPOP:
                return confirmation is not None and bool(confirmation.jkt)
            case SenderConstraint.TLS:
                return confirmation is not None and bool(confirmation.x5t_s256)


@value(frozen=True, slots=True)
class BindingPolicy:
    """To what sessions are bound. Of an address only a prefix counts, of a user agent only its family."""

    device: BindingAction = BindingAction.IGNORE
    ip: BindingAction = BindingAction.IGNORE
    user_agent: BindingAction = BindingAction.IGNORE
    credential_version: BindingAction = BindingAction.REJECT
    ipv4_prefix_length: int = 24
    ipv6_prefix_length: int = 48


@value(frozen=True, slots=True)
class TokenPolicy:
    """How the tokens of a client live. Lifetimes are defaults and upper limits at once, in milliseconds.

    Without `audiences` its tokens are for the issuer alone. `rotation_interval` is for periodic rotation; with
    selective rotation it says how long after the login every refresh rotates (zero: never for that reason).
    `max_sessions` is how many live sessions a subject may have with the client; zero stands for any number.
    """

    access_ttl: int = 5 * MINUTE
    refresh_idle_ttl: int = 30 * DAY
    refresh_absolute_ttl: int = 90 * DAY
    retry_window: int = 30 * SECOND
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    rotation: Rotation = Rotation.GRACEFUL
    rotation_interval: int = 0
    refresh_token_format: RefreshTokenFormat = RefreshTokenFormat.OPAQUE
    max_sessions: int = 0
    session_limit_action: SessionLimitAction = SessionLimitAction.END_OLDEST
    binding: BindingPolicy = BindingPolicy()
    sender_constraint: SenderConstraint = SenderConstraint.NONE

    @property
    def tolerance(self) -> int:
        """How long after a rotation the token before is answered with the same successor; zero if it never is."""
        return 0 if self.rotation is Rotation.ALWAYS else self.retry_window


@value(frozen=True, slots=True)
class ExchangePolicy:
    """What a caller may trade (RFC 8693): tokens of which clients, "*" for all, and for which audiences and scopes.

    Without `scopes` it may ask for those of the subject token. Without the others it may trade nothing.
    """

    subject_clients: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()

    def trades_for(self, client_id: str) -> bool:
        """Whether it allows to trade tokens of `client_id`."""
        return client_id in self.subject_clients or EVERY_CLIENT in self.subject_clients

    def scopes_of(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Those of a subject token's `scopes` that it allows to ask for."""
        return tuple(scope for scope in scopes if scope in self.scopes) if self.scopes else scopes


NO_EXCHANGE: Final = ExchangePolicy()
"""What holds for a client of which nothing is said: it may trade nothing."""

DEFAULT_POLICY: Final = TokenPolicy()
"""What holds for a client of which nothing else is said."""
