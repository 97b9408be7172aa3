"""Owns how the tokens of a client live, and what it may do how often."""

from dataclasses import dataclass
from datetime import timedelta

from tokensvc_client.values.plain import Enumeration


class RotationPolicy(Enumeration):
    """When a refresh token is replaced by its successor; UNSPECIFIED: graceful."""

    UNSPECIFIED = 0
    ALWAYS = 1
    GRACEFUL = 2
    PERIODIC = 3
    SELECTIVE = 4
    NEVER = 5


class RefreshTokenFormat(Enumeration):
    """What a refresh token looks like; UNSPECIFIED: opaque."""

    UNSPECIFIED = 0
    OPAQUE = 1
    JWT = 2
    STATELESS_JWT = 3


class BindingAction(Enumeration):
    """What happens when a bound value differs; UNSPECIFIED: nothing."""

    UNSPECIFIED = 0
    IGNORE = 1
    AUDIT = 2
    REJECT = 3
    END_SESSION = 4


class SessionLimitAction(Enumeration):
    """What happens when a subject has `max_sessions`; UNSPECIFIED: the oldest ends."""

    UNSPECIFIED = 0
    END_OLDEST = 1
    REFUSE = 2


class SenderConstraint(Enumeration):
    """Which key a client's tokens must be bound to; UNSPECIFIED: none."""

    UNSPECIFIED = 0
    NONE = 1
    DPOP = 2
    TLS = 3


@dataclass(frozen=True, slots=True)
class BindingPolicy:
    """To what a session is bound, and what happens on a difference. Prefix lengths are in bits: 24 and 48 when zero."""

    device: BindingAction = BindingAction.UNSPECIFIED
    ip: BindingAction = BindingAction.UNSPECIFIED
    user_agent: BindingAction = BindingAction.UNSPECIFIED
    credential_version: BindingAction = BindingAction.UNSPECIFIED
    ipv4_prefix_length: int = 0
    ipv6_prefix_length: int = 0


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """How the tokens of a client live. What is None gets the service's default; `max_sessions` zero is no limit."""

    access_ttl: timedelta | None = None
    refresh_idle_ttl: timedelta | None = None
    refresh_absolute_ttl: timedelta | None = None
    retry_window: timedelta | None = None
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    rotation: RotationPolicy = RotationPolicy.UNSPECIFIED
    rotation_interval: timedelta | None = None
    refresh_token_format: RefreshTokenFormat = RefreshTokenFormat.UNSPECIFIED
    max_sessions: int = 0
    session_limit_action: SessionLimitAction = SessionLimitAction.UNSPECIFIED
    binding: BindingPolicy | None = None
    sender_constraint: SenderConstraint = SenderConstraint.UNSPECIFIED


@dataclass(frozen=True, slots=True)
class ExchangePolicy:
    """What a caller may trade (RFC 8693): tokens of which clients ("*": all), for which audiences and scopes."""

    subject_clients: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How often a caller may call: in the long run (zero: any number), and at once after a pause (zero: a second's)."""

    per_second: float = 0.0
    burst: int = 0
