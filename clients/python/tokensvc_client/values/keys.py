"""Owns what the calls about keys answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tokensvc_client.values.plain import Enumeration


class KeyPurpose(Enumeration):
    """What a key does: signs access tokens, seals refresh tokens, or makes sessions."""

    UNSPECIFIED = 0
    SIGNING = 1
    REFRESH_MAC = 2
    SESSION_MAC = 3


class KeyState(Enumeration):
    """Where a key is in its life: published, used, verifying old tokens only, or nothing any more."""

    UNSPECIFIED = 0
    PREPARED = 1
    ACTIVE = 2
    RETIRING = 3
    RETIRED = 4


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its private part. `public_jwk` is JSON (RFC 7517), empty for a MAC key."""

    key_id: str
    purpose: KeyPurpose
    algorithm: str
    state: KeyState
    created_at: datetime | None
    activates_at: datetime | None
    retires_at: datetime | None
    public_jwk: str


@dataclass(frozen=True, slots=True)
class Jwks:
    """The public keys that verify access tokens, a JWK Set as JSON (RFC 7517, 5), and how long it may be cached."""

    jwks: str
    max_age: timedelta
