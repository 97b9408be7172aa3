"""Owns the keys that sign access tokens (RFC 7517), what they sign (RFC 9068), and KeyService."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from tokensvc_pb.v1 import key_service_pb2 as pb

from tokensvc_client.testing.moments import timestamp

ALGORITHM: Final = "ES256"
LEAD: Final = 60 * 60 * 1000
"""How long a key is published before it signs, in milliseconds."""
_RETIRING: Final = 26 * 60 * 60 * 1000  # the longest life of an access token, and two hours for clocks that differ

# Whether a token is alive is the fake's question, by the fake's clock.
_SIGNATURE_ONLY: Final[Any] = {f"verify_{claim}": False for claim in ("exp", "iat", "nbf", "aud", "sub", "jti")}


@dataclass
class SigningKey:
    """A key, used from `activates_at` until another one is; times in milliseconds."""

    created_at: int
    activates_at: int
    retires_at: int | None = None
    key_id: str = field(default_factory=lambda: secrets.token_hex(9))
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def public_jwk(self) -> dict[str, Any]:
        """The public key (RFC 7517)."""
        jwk = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**jwk, "kid": self.key_id, "use": "sig", "alg": ALGORITHM}

    def is_retired(self, now: int) -> bool:
        """Whether it verifies nothing any more."""
        return self.retires_at is not None and self.retires_at <= now


class KeyRing:
    """The signing keys in the order in which they are used."""

    def __init__(self, now: int) -> None:
        self._keys = [SigningKey(now, now)]

    def add(self, now: int, activates_at: int) -> SigningKey:
        """Add the next key, or take the one that is prepared. The one before goes on verifying what it has signed."""
        before = self.used_at(now)
        key = next((key for key in self._keys if key.activates_at > now and not key.is_retired(now)), None)
        if key is None:
            key = SigningKey(now, activates_at)
            self._keys.append(key)
        key.activates_at = min(key.activates_at, activates_at)
        if before is not None:
            before.retires_at = key.activates_at + _RETIRING
        return key

    def revoke(self, key_id: str, now: int) -> bool:
        """End a key at once; one that signs has a successor at once. False if there is no such key."""
        key = next((key for key in self._keys if key.key_id == key_id), None)
        if key is None:
            return False
        key.retires_at = now
        if self.used_at(now) is None:
            self.add(now, now)
        return True

    def used_at(self, now: int) -> SigningKey | None:
        """The key that signs."""
        usable = (key for key in reversed(self._keys) if key.activates_at <= now and not key.is_retired(now))
        return next(usable, None)

    def sign(self, claims: Mapping[str, Any], now: int) -> str:
        """Answer the JWT with these claims."""
        key = self.used_at(now) or self._keys[0]  # the clock was set back before the first key
        return jwt.encode(dict(claims), key.private, algorithm=ALGORITHM, headers={"typ": "at+jwt", "kid": key.key_id})

    def verify(self, token: str, issuer: str, now: int) -> dict[str, Any] | None:
        """The claims of a genuine access token; None for anything else. Says nothing about its lifetime."""
        try:
            header = jwt.get_unverified_header(token)
            keys = [key for key in self._keys if key.key_id == header.get("kid") and not key.is_retired(now)]
            if header.get("typ") != "at+jwt" or not keys:
                return None
            public = keys[0].private.public_key()
            return jwt.decode(token, public, algorithms=[ALGORITHM], issuer=issuer, options=_SIGNATURE_ONLY)
        except jwt.InvalidTokenError:
            return None

    def jwks(self, now: int) -> str:
        """The public keys that verify tokens, now or soon, as a JWK Set."""
        return json.dumps({"keys": [key.public_jwk() for key in self._keys if not key.is_retired(now)]})

    def messages(self, now: int) -> list[pb.Key]:
        """All keys as ListKeys shows them, the newest first."""
        return [self.message(key, now) for key in reversed(self._keys)]

    def message(self, key: SigningKey, now: int) -> pb.Key:
        """One key as KeyService shows it."""
        return pb.Key(
            key_id=key.key_id,
            purpose=pb.KEY_PURPOSE_SIGNING,
            algorithm=ALGORITHM,
            state=self._state(key, now),
            created_at=timestamp(key.created_at),
            activates_at=timestamp(key.activates_at),
            retires_at=timestamp(key.retires_at) if key.retires_at is not None else None,
            public_jwk=json.dumps(key.public_jwk()),
        )

    def _state(self, key: SigningKey, now: int) -> pb.KeyState:
        if key.is_retired(now):
            return pb.KEY_STATE_RETIRED
        if key.activates_at > now:
            return pb.KEY_STATE_PREPARED
        return pb.KEY_STATE_ACTIVE if key is self.used_at(now) else pb.KEY_STATE_RETIRING
