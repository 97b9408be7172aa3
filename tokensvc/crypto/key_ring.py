"""Owns the service's keys in memory, opened from what the store holds."""

from collections.abc import Iterable
from dataclasses import field

from cryptography.hazmat.primitives import serialization

from tokensvc.crypto.algorithms import ALGORITHMS, Private, Public
from tokensvc.crypto.wrapping import Wrapper, binding
from tokensvc.domain.keys import KeyPurpose, RootKeyError, StoredKey, of_purpose
from tokensvc.domain.value import value

MAC_ALGORITHM = "HS256"


@value(frozen=True, slots=True)
class SigningKey:
    """A key pair for access tokens, which signs what is issued from `activates_at` on (milliseconds)."""

    key_id: str
    algorithm: str
    public: Public
    public_jwk: str
    private: Private = field(repr=False)
    activates_at: int = 0


@value(frozen=True, slots=True)
class MacKey:
    """A key that seals refresh tokens of sessions, or makes sessions, that begin or rotate from `activates_at` on.

    Tokens name it by its `number`, one byte.
    """

    number: int
    secret: bytes = field(repr=False)
    activates_at: int = 0


def open_signing_keys(stored: Iterable[StoredKey], wrapper: Wrapper) -> list[SigningKey]:
    """Unwrap the signing keys that have not ended, in the order in which they are used."""
    return [_signing_key(key, wrapper) for key in of_purpose(stored, KeyPurpose.SIGNING) if key.wrapped]


def open_mac_keys(
    stored: Iterable[StoredKey], wrapper: Wrapper, purpose: KeyPurpose = KeyPurpose.REFRESH_MAC
) -> list[MacKey]:
    """Unwrap the keys of a MAC purpose that have not ended, in the order in which they are used."""
    return [_mac_key(key, wrapper) for key in of_purpose(stored, purpose) if key.wrapped]


def _mac_key(key: StoredKey, wrapper: Wrapper) -> MacKey:
    secret = _unwrap(key, wrapper)  # which vouches for the name, too
    return MacKey(int(key.key_id), secret, key.activates_at)


def _signing_key(key: StoredKey, wrapper: Wrapper) -> SigningKey:
    # What opens was made and sealed by us: to look for flaws in it once more takes long.
    private = serialization.load_der_private_key(
        _unwrap(key, wrapper), password=None, unsafe_skip_rsa_key_validation=True
    )
    kind = ALGORITHMS.get(key.algorithm)
    if kind is None or not kind.owns(private):
        raise RootKeyError(f"signing key {key.key_id} is not of the kind that its row names")
    public = private.public_key()
    # Not the row's: what is published is vouched for by the sealed private part.
    jwk = kind.public_jwk(public, key.key_id)
    return SigningKey(key.key_id, key.algorithm, public, jwk, private, key.activates_at)


def _unwrap(key: StoredKey, wrapper: Wrapper) -> bytes:
    return wrapper.unwrap(key.wrapped, binding(key.purpose, key.key_id, key.algorithm))
