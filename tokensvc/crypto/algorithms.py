"""Owns the algorithms that access tokens are signed by: their keys, signatures and public form (RFC 7518, RFC 8037)."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tokensvc.domain.value import value

_RSA_BITS = 3072
_RSA_EXPONENT = 65537

_JWT: Final[Mapping[str, Any]] = {
    name: jwt.get_algorithm_by_name(name) for name in ("ES256", "EdDSA", "RS256", "PS256", "ES384")
}

Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Public = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


@value(frozen=True, slots=True)
class SignatureAlgorithm:
    """One of them."""

    name: str
    generate: Callable[[], Private]
    is_key: Callable[[object], bool]
    sign: Callable[[Any, bytes], bytes]

    def owns(self, private: object) -> TypeGuard[Private]:
        """Whether a private key is of the kind that it signs with."""
        return self.is_key(private)

    def verify(self, public: Public, message: bytes, signature: bytes) -> bool:
        """Whether `signature` over `message` was made by the private part of `public`."""
        return bool(_JWT[self.name].verify(message, public, signature))

    def public_jwk(self, public: Public, key_id: str) -> str:
        """The public key as a JSON document (RFC 7517)."""
        jwk: dict[str, Any] = _JWT[self.name].to_jwk(public, as_dict=True)
        jwk.pop("key_ops", None)
        return json.dumps({**jwk, "kid": key_id, "use": "sig", "alg": self.name}, sort_keys=True)


def _elliptic(name: str, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm) -> SignatureAlgorithm:
    number_bytes = (curve.key_size + 7) // 8
    ecdsa = ec.ECDSA(digest)

    def sign(private: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
        # RFC 7518, 3.4. PyJWT's way takes longer, because it makes the algorithm anew for each token.
        r, s = decode_dss_signature(private.sign(message, ecdsa))
        return r.to_bytes(number_bytes, "big") + s.to_bytes(number_bytes, "big")

    return SignatureAlgorithm(
        name,
        lambda: ec.generate_private_key(curve),
        lambda key: isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == curve.name,
        sign,
    )


def _rsa(name: str) -> SignatureAlgorithm:
    return SignatureAlgorithm(
        name,
        lambda: rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS),
        lambda key: isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _RSA_BITS,
        lambda private, message: _JWT[name].sign(message, private),
    )


_EDDSA = SignatureAlgorithm(
    "EdDSA",
    ed25519.Ed25519PrivateKey.generate,
    lambda key: isinstance(key, ed25519.Ed25519PrivateKey),
    lambda private, message: private.sign(message),
)

ALGORITHMS: Final[Mapping[str, SignatureAlgorithm]] = {
    algorithm.name: algorithm
    for algorithm in (
        _elliptic("ES256", ec.SECP256R1(), hashes.SHA256()),
        _EDDSA,
        _rsa("RS256"),
        _rsa("PS256"),
        _elliptic("ES384", ec.SECP384R1(), hashes.SHA384()),
    )
}
DEFAULT: Final = "ES256"
