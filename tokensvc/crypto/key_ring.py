"""Owns the service's keys in memory: made, wrapped for the store, and opened from it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tokensvc.crypto.wrapping import RootKeyError, Wrapper
from tokensvc.domain import refresh_token
from tokensvc.domain.keys import KeyPurpose, KeyState, StoredKey
from tokensvc.domain.refresh_token import RefreshToken
from tokensvc.ports import Randomness

SIGNING_ALGORITHM = "ES256"
MAC_ALGORITHM = "HS256"
_MAC_BYTES = 32
_FIRST_MAC_ID = 1


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair for access tokens."""

    key_id: str
    algorithm: str
    public: ec.EllipticCurvePublicKey
    public_jwk: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)


def first_keys(wrapper: Wrapper, randomness: Randomness, now: int) -> list[StoredKey]:
    """Make the keys of a new installation: one that signs, one that authenticates refresh tokens."""
    private = ec.generate_private_key(ec.SECP256R1())
    kid = randomness(9).hex()
    secret = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    mac_id = str(_FIRST_MAC_ID)
    return [
        StoredKey(
            kid,
            KeyPurpose.SIGNING,
            SIGNING_ALGORITHM,
            KeyState.ACTIVE,
            created_at=now,
            wrapped=wrapper.wrap(secret, _binding(KeyPurpose.SIGNING, kid, SIGNING_ALGORITHM)),
            public_jwk=_public_jwk(private.public_key(), kid, SIGNING_ALGORITHM),
        ),
        StoredKey(
            mac_id,
            KeyPurpose.REFRESH_MAC,
            MAC_ALGORITHM,
            KeyState.ACTIVE,
            created_at=now,
            wrapped=wrapper.wrap(randomness(_MAC_BYTES), _binding(KeyPurpose.REFRESH_MAC, mac_id, MAC_ALGORITHM)),
        ),
    ]


def open_signing_keys(stored: Iterable[StoredKey], wrapper: Wrapper) -> dict[str, SigningKey]:
    """Unwrap the signing keys, by key id."""
    keys = {}
    for key in stored:
        if key.purpose is KeyPurpose.SIGNING:
            private = serialization.load_der_private_key(_unwrap(key, wrapper), password=None)
            if not isinstance(private, ec.EllipticCurvePrivateKey):
                raise RootKeyError(f"signing key {key.key_id} is not of the kind that its row names")
            public = private.public_key()
            # Not the row's: what is published is vouched for by the sealed private part.
            jwk = _public_jwk(public, key.key_id, key.algorithm)
            keys[key.key_id] = SigningKey(key.key_id, key.algorithm, public, jwk, private)
    return keys


def open_mac_keys(stored: Iterable[StoredKey], wrapper: Wrapper) -> dict[int, bytes]:
    """Unwrap the MAC keys, by the byte that names them in a token."""
    return {int(key.key_id): _unwrap(key, wrapper) for key in stored if key.purpose is KeyPurpose.REFRESH_MAC}


def _public_jwk(public: ec.EllipticCurvePublicKey, key_id: str, algorithm: str) -> str:
    jwk = {**ECAlgorithm.to_jwk(public, as_dict=True), "kid": key_id, "use": "sig", "alg": algorithm}
    return json.dumps(jwk, sort_keys=True)


def _unwrap(key: StoredKey, wrapper: Wrapper) -> bytes:
    return wrapper.unwrap(key.wrapped, _binding(key.purpose, key.key_id, key.algorithm))


def _binding(purpose: KeyPurpose, key_id: str, algorithm: str) -> str:
    return f"tokensvc key {purpose} {key_id} {algorithm}"


class RefreshTokenMac:
    """Writes opaque refresh tokens under the newest MAC key and checks them under any."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = keys
        self._active = max(keys)

    def mint(self, handle: bytes, generation: int) -> str:
        """Answer the token of `generation` for the session behind `handle`."""
        return refresh_token.encode(RefreshToken(self._active, handle, generation), self._keys[self._active])

    def open(self, text: str) -> RefreshToken | None:
        """Read a token; None unless it is genuine."""
        return refresh_token.decode(text, self._keys)

    def handle_for(self, caller: str, idempotency_key: str) -> bytes:
        """Answer the handle that belongs to a caller's idempotency key."""
        return refresh_token.handle_for(self._keys[self._active], caller, idempotency_key)
