"""Owns signing and strict verification of access tokens (RFC 9068, 4; RFC 8725)."""

import json
from collections.abc import Sequence

from tokensvc.crypto.algorithms import ALGORITHMS
from tokensvc.crypto.key_ring import SigningKey
from tokensvc.crypto.strict_jwt import (
    decode_object,
    encode_any_object,
    encode_object,
    is_signed,
    read_header,
    taken_apart,
)
from tokensvc.domain import base64url
from tokensvc.domain.access_token import AccessToken, from_claims, to_claims

TYPE = "at+jwt"
_TYPES = (TYPE,)
_MAX_HEADER = 512


class AccessTokenSigner:
    """Signs with the key of the token's time; verifies with the key that the header names, by its algorithm alone."""

    def __init__(self, keys: Sequence[SigningKey], issuer: str) -> None:
        """`keys` are in the order in which they are used; see `use`."""
        self._issuer = issuer
        self.use(keys)

    def use(self, keys: Sequence[SigningKey]) -> None:
        """From now on these are the keys."""
        self._keys = {key.key_id: key for key in keys}
        self._newest_first = [(key.activates_at, key, _header(key)) for key in reversed(keys)]

    def sign(self, token: AccessToken) -> str:
        """Answer the JWT of `token`."""
        key, header = self._key_at(token.issued_at)
        encode = encode_any_object if token.claims else encode_object
        signing_input = f"{header}.{encode(to_claims(token))}"
        signature = ALGORITHMS[key.algorithm].sign(key.private, signing_input.encode("ascii"))
        return f"{signing_input}.{base64url.encode(signature)}"

    def verify(self, text: str) -> AccessToken | None:
        """Read a JWT; None unless it is genuine and well-formed. Says nothing about its lifetime."""
        jwt = taken_apart(text)
        key = self._named_key(jwt.header) if jwt else None
        if jwt is None or key is None or not is_signed(jwt, key.algorithm, key.public):
            return None
        claims = decode_object(jwt.claims)
        if claims is None or claims.get("iss") != self._issuer:
            return None
        return from_claims(claims)

    def jwks(self) -> str:
        """The public keys as a JWK Set (RFC 7517)."""
        return json.dumps({"keys": [json.loads(key.public_jwk) for key in self._keys.values()]})

    def _key_at(self, moment: int) -> tuple[SigningKey, str]:
        for activates_at, key, header in self._newest_first:
            if activates_at <= moment:
                return key, header
        # A clock that was set back, or is behind that of the node which made the first key.
        _, key, header = self._newest_first[-1]
        return key, header

    def _named_key(self, segment: str) -> SigningKey | None:
        """The key for this exact header: type and algorithm are compared, never followed; anything more is refused."""
        header = read_header(segment, _TYPES, most=_MAX_HEADER)
        if header is None or header.keys() != {"typ", "alg", "kid"}:
            return None
        kid = header["kid"]
        key = self._keys.get(kid) if isinstance(kid, str) else None
        return key if key is not None and header["alg"] == key.algorithm else None


def _header(key: SigningKey) -> str:
    return encode_object({"alg": key.algorithm, "kid": key.key_id, "typ": TYPE})
