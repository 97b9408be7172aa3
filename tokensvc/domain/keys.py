"""Owns what a stored key is. Its private part is wrapped before it comes here."""

from dataclasses import dataclass, field
from enum import StrEnum


class KeyPurpose(StrEnum):
    """What a key does."""

    SIGNING = "signing"
    REFRESH_MAC = "refresh_mac"


class KeyState(StrEnum):
    """Where a key is in its life."""

    PREPARED = "prepared"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row of the key table. `key_id` is the JWT header kid, or the first byte of a refresh token in decimal."""

    key_id: str
    purpose: KeyPurpose
    algorithm: str
    state: KeyState
    created_at: int
    wrapped: bytes = field(repr=False)
    public_jwk: str = ""
