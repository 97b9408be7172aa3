"""Owns making keys, whose private parts leave here wrapped."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from cryptography.hazmat.primitives import serialization

from tokensvc.crypto.algorithms import ALGORITHMS, DEFAULT
from tokensvc.crypto.key_ring import MAC_ALGORITHM
from tokensvc.crypto.wrapping import Wrapper, binding
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.keys import KeyPurpose, StoredKey
from tokensvc.ports import Randomness

_MAC_BYTES = 32
_KEY_ID_BYTES = 9
_MAC_NUMBERS = range(1, 256)  # one byte of a token


class KeyMaker:
    """Implements `ports.KeyMaker`."""

    algorithms: Collection[str] = ALGORITHMS.keys()

    def __init__(self, wrapper: Wrapper, randomness: Randomness) -> None:
        self.wrapper = wrapper
        self._randomness = randomness

    def signing_key(self, algorithm: str) -> StoredKey:
        """As the port says."""
        kind, key_id = ALGORITHMS[algorithm], self._randomness(_KEY_ID_BYTES).hex()
        private = kind.generate()
        secret = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return StoredKey(
            key_id,
            KeyPurpose.SIGNING,
            algorithm,
            created_at=0,
            activates_at=0,
            wrapped=self.wrapper.wrap(secret, binding(KeyPurpose.SIGNING, key_id, algorithm)),
            public_jwk=kind.public_jwk(private.public_key(), key_id),
        )

    def mac_key(self, purpose: KeyPurpose, taken: Collection[str]) -> StoredKey:
        """As the port says."""
        key_id = next((name for name in map(str, _MAC_NUMBERS) if name not in taken), "")
        if not key_id:
            raise RefusedError(
                Reason.INVALID_REQUEST, "there are 255 keys of this purpose: none can be added", "purpose"
            )
        return StoredKey(
            key_id,
            purpose,
            MAC_ALGORITHM,
            created_at=0,
            activates_at=0,
            wrapped=self.wrapper.wrap(self._randomness(_MAC_BYTES), binding(purpose, key_id, MAC_ALGORITHM)),
        )

    def rewrapped(self, key: StoredKey) -> StoredKey:
        """As the port says; fails with RootKeyError."""
        bound = binding(key.purpose, key.key_id, key.algorithm)
        return replace(key, wrapped=self.wrapper.wrapped_anew(key.wrapped, bound))

    def first_keys(self, now: int, purposes: Iterable[KeyPurpose] = KeyPurpose) -> list[StoredKey]:
        """A key of each of the `purposes`, used from `now` on: what a new installation begins with."""
        first = [
            self.signing_key(DEFAULT) if purpose is KeyPurpose.SIGNING else self.mac_key(purpose, ())
            for purpose in purposes
        ]
        return [replace(key, created_at=now, activates_at=now) for key in first]
