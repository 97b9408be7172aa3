"""Owns verifying the assertions by which clients authenticate in place of a secret (RFC 7523, 3; RFC 7521, 5.2)."""

import hashlib
from collections.abc import Collection
from functools import cache, lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tokensvc.crypto.algorithms import Public
from tokensvc.crypto.jwk import JwkError, PublicKey, read_set
from tokensvc.crypto.strict_jwt import decode_object, is_signed, read_header, taken_apart
from tokensvc.domain import client_assertion
from tokensvc.domain.client import Client
from tokensvc.domain.client_assertion import ClientAssertion, claimed_client
from tokensvc.domain.client_authentication import AuthMethod
from tokensvc.domain.client_directory import ClientDirectory
from tokensvc.domain.errors import invalid

_MAX_ASSERTION: Final = 4096
_TYPES: Final = (None, "JWT", "client-authentication+jwt")
_RSA_BITS: Final = 2048

_keys_of = lru_cache(maxsize=256)(read_set)


class ClientAssertionVerifier:
    """Implements `ports.ClientAssertions`.

    Whatever is presented costs one signature check at most, and that comes after everything else. One that is in order
    costs it also when the client is not there, or has no such key: then a key of nobody takes its place, so that the
    time does not tell. An algorithm that no client at all has registered costs nothing.
    """

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer

    def claimed_client(self, text: str) -> str:
        """As the port says."""
        jwt = taken_apart(text, most=_MAX_ASSERTION)
        claims = decode_object(jwt.claims) if jwt else None
        return claimed_client(claims) if claims else ""

    def verify(self, text: str, directory: ClientDirectory, now: int) -> ClientAssertion | None:
        """As the port says."""
        jwt = taken_apart(text, most=_MAX_ASSERTION)
        header = read_header(jwt.header, _TYPES) if jwt else None
        claims = decode_object(jwt.claims) if jwt and header else None
        if jwt is None or header is None or claims is None:
            return None
        algorithm, assertion = header.get("alg"), client_assertion.from_claims(claims, self._issuer, now)
        if assertion is None or not isinstance(algorithm, str) or algorithm not in directory.assertion_algorithms:
            return None
        client = directory.clients.get(assertion.client_id)
        key = _registered_key(client, algorithm, header.get("kid")) if client else None
        is_genuine = is_signed(jwt, algorithm, key.public if key else _key_of_nobody(algorithm))
        return assertion if is_genuine and key and client and not client.disabled else None


def algorithms_of(jwks: str) -> Collection[str]:
    """The algorithms that the keys of a JWK Set can be used with; refuses a set that is not taken, and says why."""
    try:
        return sorted({algorithm for key in _keys_of(jwks) for algorithm in key.algorithms})
    except JwkError as error:
        raise invalid("keys.jwks", f"jwks: {error}") from None


def _registered_key(client: Client, algorithm: str, key_id: object) -> PublicKey | None:
    """The key that the header names, or the only one that there can be if it names none; by a registered algorithm."""
    if client.auth_method is not AuthMethod.PRIVATE_KEY_JWT or algorithm not in client.keys.algorithms:
        return None
    try:
        keys = _keys_of(client.keys.jwks)
    except JwkError:  # a version that takes more has registered it
        return None
    fitting = [key for key in keys if algorithm in key.algorithms and key_id in (None, key.key_id)]
    return fitting[0] if len(fitting) == 1 else None


@cache
def _key_of_nobody(algorithm: str) -> Public:
    """A key whose private part nobody has."""
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1()).public_key()
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1()).public_key()
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate().public_key()
        case _:
            # Any odd number of that size does: nobody knows its factors, and to look for two primes takes long.
            number = int.from_bytes(hashlib.shake_256(b"nobody").digest(_RSA_BITS // 8), "big")
            return rsa.RSAPublicNumbers(65537, number | 1 << (_RSA_BITS - 1) | 1).public_key()
