"""Owns signing and strict verification of access tokens (RFC 9068, 4; RFC 8725)."""

import json
from collections.abc import Sequence

from tokensvc.crypto.algorithms import ALGORITHMS
from tokensvc.crypto.key_ring import SigningKey
from tokensvc.crypto.segments import SEGMENTS, decode_object, encode_any_object, encode_object
from tokensvc.domain import base64url
from tokensvc.domain.access_token import AccessToken, from_claims, to_claims
from tokensvc.domain.bounds import MAX_TOKEN

TYPE = "at+jwt"
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
        if len(text) > MAX_TOKEN or text.count(".") != SEGMENTS - 1 or not text.isascii():
            return None
        signing_input, _, signature_segment = text.rpartition(".")
        header_segment, _, claims_segment = signing_input.partition(".")
        key = self._named_key(header_segment)
        signature = base64url.decode(signature_segment)
        if key is None or signature is None:
            return None
        if not ALGORITHMS[key.algorithm].verify(key.public, signing_input.encode("ascii"), signature):
            return None
        claims = decode_object(claims_segment)
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
        if len(segment) > _MAX_HEADER:
            return None
        header = decode_object(segment)
        if header is None or header.keys() != {"typ", "alg", "kid"} or header["typ"] != TYPE:
            return None
        kid = header["kid"]
        key = self._keys.get(kid) if isinstance(kid, str) else None
        return key if key is not None and header["alg"] == key.algorithm else None


def _header(key: SigningKey) -> str:
    return encode_object({"alg": key.algorithm, "kid": key.key_id, "typ": TYPE})
