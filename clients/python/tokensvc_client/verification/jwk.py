"""Owns reading public keys strictly (RFC 7517, RFC 7518, 6, RFC 8037, 2), and what they have signed."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tokensvc_client.verification import base64url
from tokensvc_client.verification.json_object import JsonObject

_ALGORITHMS: Final[Mapping[str, Any]] = {
    name: jwt.get_algorithm_by_name(name) for name in ("ES256", "ES384", "EdDSA", "RS256", "PS256")
}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MAX_KEY_ID: Final = 255
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 4096
_LEAST_RSA_EXPONENT, _MOST_RSA_EXPONENT = 3, 2**32  # a larger one makes a signature cost more
_CURVES: Final = {"P-256": (ec.SECP256R1(), "ES256"), "P-384": (ec.SECP384R1(), "ES384")}
_ED25519_BYTES: Final = 32
_REQUIRED: Final = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}

Public = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


class JwkError(ValueError):
    """A key that is not taken; the message says why and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key, the algorithms that it may be used with, and its SHA-256 thumbprint (RFC 7638, 3)."""

    key_id: str
    public: Public
    algorithms: frozenset[str]
    thumbprint: str

    def has_signed(self, message: bytes, signature: bytes, algorithm: object) -> bool:
        """Whether the private part has made `signature` over `message`, by an `algorithm` that is this key's."""
        if not isinstance(algorithm, str) or algorithm not in self.algorithms:
            return False
        return bool(_ALGORITHMS[algorithm].verify(message, self.public, signature))


def read_key(jwk: object) -> PublicKey:
    """Read one key; fails with JwkError unless it is public, for signatures, and of a kind that is known here."""
    if not isinstance(jwk, dict) or not _PRIVATE.isdisjoint(jwk):
        raise JwkError("a key is no JSON object, or has private members")
    kind, key_id = jwk.get("kty"), jwk.get("kid", "")
    read = _KINDS.get(kind) if isinstance(kind, str) else None
    if read is None or not isinstance(kind, str):
        raise JwkError("a key is neither of kty EC nor OKP nor RSA")
    if not isinstance(key_id, str) or len(key_id) > _MAX_KEY_ID or ("kid" in jwk and not key_id):
        raise JwkError("a key has a kid that is no name")
    public, algorithms = read(jwk)
    members = json.dumps({name: jwk[name] for name in _REQUIRED[kind]}, separators=(",", ":"))
    thumbprint = base64url.encode(hashlib.sha256(members.encode()).digest())
    return PublicKey(key_id, public, _narrowed(jwk, algorithms), thumbprint)


def _narrowed(jwk: JsonObject, algorithms: frozenset[str]) -> frozenset[str]:
    """Those of the `algorithms` that the key says it is for."""
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise JwkError("a key is not for signatures")
    named = jwk.get("alg")
    if "alg" not in jwk:
        return algorithms
    if not isinstance(named, str) or named not in algorithms:
        raise JwkError("a key's alg is not known, or does not fit its kind")
    return frozenset({named})


def _elliptic(jwk: JsonObject) -> tuple[Public, frozenset[str]]:
    name = jwk.get("crv")
    if not isinstance(name, str) or name not in _CURVES:
        raise JwkError("a key's crv is neither P-256 nor P-384")
    curve, algorithm = _CURVES[name]
    size = (curve.key_size + 7) // 8
    x, y = (int.from_bytes(_octets(jwk, member, size), "big") for member in ("x", "y"))
    try:
        return ec.EllipticCurvePublicNumbers(x, y, curve).public_key(), frozenset({algorithm})
    except ValueError:
        raise JwkError("a key is not a point of its curve") from None


def _octet_pair(jwk: JsonObject) -> tuple[Public, frozenset[str]]:
    if jwk.get("crv") != "Ed25519":
        raise JwkError("a key's crv is not Ed25519")
    octets = _octets(jwk, "x", _ED25519_BYTES)
    return ed25519.Ed25519PublicKey.from_public_bytes(octets), frozenset({"EdDSA"})


def _rsa(jwk: JsonObject) -> tuple[Public, frozenset[str]]:
    modulus, exponent = (int.from_bytes(_octets(jwk, member), "big") for member in ("n", "e"))
    if not _LEAST_RSA_BITS <= modulus.bit_length() <= _MOST_RSA_BITS or modulus % 2 == 0:
        raise JwkError("a key of RSA has a modulus that is even, too small or too large")
    if not _LEAST_RSA_EXPONENT <= exponent <= _MOST_RSA_EXPONENT or exponent % 2 == 0:
        raise JwkError("a key of RSA has an exponent that is even, too small or too large")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key(), frozenset({"RS256", "PS256"})


_KINDS: Final[dict[str, Callable[[JsonObject], tuple[Public, frozenset[str]]]]] = {
    "EC": _elliptic,
    "OKP": _octet_pair,
    "RSA": _rsa,
}


def _octets(jwk: JsonObject, member: str, size: int | None = None) -> bytes:
    """A member in base64url: of exactly `size` bytes, or else a number without zeros before it (RFC 7518, 6.3.1.1)."""
    value = jwk.get(member)
    octets = base64url.decode(value) if isinstance(value, str) else None
    if not octets or (len(octets) != size if size else octets[0] == 0):
        raise JwkError(f"a key's {member} is not base64url of the right length")
    return octets
