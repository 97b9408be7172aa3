"""Owns telling which tokens are genuine: the signature is checked once, by the key alone (RFC 9068, 4; RFC 8725, 3)."""

import hashlib
from threading import Lock
from typing import Final

from tokensvc_client.verification.access_token import TYPE, ReadToken, read_claims
from tokensvc_client.verification.errors import InvalidTokenError
from tokensvc_client.verification.jwk import PublicKey
from tokensvc_client.verification.keys import Keys
from tokensvc_client.verification.strict_jwt import MAX_TOKEN, read_segment, taken_apart

_HEADER: Final = frozenset({"typ", "alg", "kid"})
_LONGEST_REMEMBERED: Final = 2048  # characters: with the number of tokens it bounds the memory


class UnknownKeyError(Exception):
    """A token names a key that is not known: it is a forgery, or the keys have changed."""


class GenuineTokens:
    """Reads tokens of `issuer` that one of the `keys` has signed, and remembers `most` of them by their hash.

    Only what never changes is remembered, that a token is genuine and what it says, as long as its key is known. What
    is not genuine is not remembered, or forgeries would push out the real ones. The oldest goes first.
    """

    def __init__(self, keys: Keys, issuer: str, most: int) -> None:
        self._keys = keys
        self._issuer = issuer
        self._most = most
        self._known: dict[bytes, tuple[ReadToken, PublicKey]] = {}
        self._lock = Lock()

    def read(self, text: str) -> ReadToken:
        """What the token says; fails with InvalidTokenError or UnknownKeyError. Says nothing about its lifetime."""
        if len(text) > MAX_TOKEN or not text.isascii():
            raise InvalidTokenError("the token is too long, or no JWT")
        digest = hashlib.sha256(text.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._keys.has(known[1]):
            return known[0]
        read, key = self._verified(text)
        if len(text) <= _LONGEST_REMEMBERED:
            self._remember(digest, read, key)
        return read

    def _verified(self, text: str) -> tuple[ReadToken, PublicKey]:
        jwt = taken_apart(text, TYPE)
        if jwt is None or jwt.header.keys() != _HEADER:  # anything more is refused, and never followed
            raise InvalidTokenError("the token is malformed, or no access token")
        key = self._keys.get(jwt.header["kid"])
        if key is None:
            raise UnknownKeyError
        if not key.has_signed(jwt.signing_input, jwt.signature, jwt.header["alg"]):
            raise InvalidTokenError("the token is not signed by the key that it names")
        claims = read_segment(jwt.claims)
        read = read_claims(claims, self._issuer) if claims is not None else None
        if read is None:
            raise InvalidTokenError("the token is of another issuer, or its claims are not those of an access token")
        return read, key

    def _remember(self, digest: bytes, read: ReadToken, key: PublicKey) -> None:
        with self._lock:
            self._known[digest] = (read, key)
            if len(self._known) > self._most:
                del self._known[next(iter(self._known))]
