"""Owns reading the public keys of others, strictly: single ones and sets (RFC 7517, RFC 7518, 6, RFC 8037, 2)."""

import hashlib
from collections.abc import Callable
from typing import Final

import orjson
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tokensvc.crypto.algorithms import Public
from tokensvc.crypto.strict_jwt import read_object
from tokensvc.domain import base64url
from tokensvc.domain.claims import Claims
from tokensvc.domain.value import value

_MAX_SET: Final = 16_384  # bytes
_MAX_KEYS: Final = 20
_MAX_KEY_ID: Final = 255
_PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 4096
_LEAST_RSA_EXPONENT, _MOST_RSA_EXPONENT = 3, 2**32  # a larger one makes a signature cost more
_CURVES: Final = {"P-256": (ec.SECP256R1(), "ES256"), "P-384": (ec.SECP384R1(), "ES384")}
_ED25519_BYTES: Final = 32
_REQUIRED: Final = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}


class JwkError(ValueError):
    """A key that is not taken; the message says why, in words that come after `a key` and repeat nothing of it."""


@value(frozen=True, slots=True)
class PublicKey:
    """A public key of somebody else, its name if it has one, and the algorithms that it may be used with."""

    key_id: str | None
    public: Public
    algorithms: frozenset[str]


def thumbprint(jwk: Claims) -> str:
    """The SHA-256 thumbprint (RFC 7638, 3) of a key that `read_key` has taken: its members are as they must be."""
    required = {name: jwk[name] for name in _REQUIRED[str(jwk["kty"])]}
    return base64url.encode(hashlib.sha256(orjson.dumps(required)).digest())


def read_set(text: str) -> tuple[PublicKey, ...]:
    """Read a JWK Set; fails with JwkError."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > _MAX_SET:
        raise JwkError(f"the set is longer than {_MAX_SET} bytes")
    found = read_object(data)
    members = found.get("keys") if found is not None else None
    if not isinstance(members, list):
        raise JwkError('it is not a JSON object with a list of "keys"')
    if not 1 <= len(members) <= _MAX_KEYS:
        raise JwkError(f"it has not 1 to {_MAX_KEYS} keys")
    keys = tuple(map(read_key, members))
    names = {key.key_id for key in keys}
    if len(keys) > 1 and (len(names) < len(keys) or None in names):
        raise JwkError("of several keys, each needs a kid of its own")
    return keys


def read_key(jwk: object) -> PublicKey:
    """Read one key, which is public and of a kind that is offered; fails with JwkError."""
    if not isinstance(jwk, dict):
        raise JwkError("a key is not a JSON object")
    if any(name in jwk for name in _PRIVATE) or jwk.get("kty") == "oct":
        raise JwkError("a key has private members: only public keys are registered")
    kind = jwk.get("kty")
    read = _KINDS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise JwkError("a key is neither of kty EC nor OKP nor RSA")
    public, algorithms = read(jwk)
    return PublicKey(_name(jwk), public, _narrowed(jwk, algorithms))


def _name(jwk: Claims) -> str | None:
    key_id = jwk.get("kid")
    if "kid" in jwk and not (isinstance(key_id, str) and 1 <= len(key_id) <= _MAX_KEY_ID):
        raise JwkError(f"a key's kid is not a text of 1 to {_MAX_KEY_ID} characters")
    return key_id if isinstance(key_id, str) else None


def _narrowed(jwk: Claims, algorithms: frozenset[str]) -> frozenset[str]:
    """Those of the `algorithms` that the key says it is for."""
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise JwkError("a key is not for signatures")
    named = jwk.get("alg")
    if "alg" not in jwk:
        return algorithms
    if not isinstance(named, str) or named not in algorithms:
        raise JwkError("a key's alg is not among ES256, ES384, EdDSA, RS256 and PS256, or does not fit its kind")
    return frozenset({named})


def _elliptic(jwk: Claims) -> tuple[Public, frozenset[str]]:
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


def _octet_pair(jwk: Claims) -> tuple[Public, frozenset[str]]:
    if jwk.get("crv") != "Ed25519":
        raise JwkError("a key's crv is not Ed25519")
    octets = _octets(jwk, "x", _ED25519_BYTES)
    return ed25519.Ed25519PublicKey.from_public_bytes(octets), frozenset({"EdDSA"})


def _rsa(jwk: Claims) -> tuple[Public, frozenset[str]]:
    modulus, exponent = (int.from_bytes(_octets(jwk, member), "big") for member in ("n", "e"))
    if not _LEAST_RSA_BITS <= modulus.bit_length() <= _MOST_RSA_BITS or modulus % 2 == 0:
        raise JwkError(f"a key of RSA has no modulus of {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} bits")
    if not _LEAST_RSA_EXPONENT <= exponent <= _MOST_RSA_EXPONENT or exponent % 2 == 0:
        raise JwkError("a key of RSA has an exponent that is even, too small or too large")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key(), frozenset({"RS256", "PS256"})


_KINDS: Final[dict[str, Callable[[Claims], tuple[Public, frozenset[str]]]]] = {
    "EC": _elliptic,
    "OKP": _octet_pair,
    "RSA": _rsa,
}


def _octets(jwk: Claims, member: str, size: int | None = None) -> bytes:
    """A member in base64url: of exactly `size` bytes, or else a number without zeros before it (RFC 7518, 6.3.1.1)."""
    value = jwk.get(member)
    octets = base64url.decode(value) if isinstance(value, str) else None
    if not octets or (len(octets) != size if size else octets[0] == 0):
        raise JwkError(f"a key's {member} is not base64url of the right length")
    return octets
