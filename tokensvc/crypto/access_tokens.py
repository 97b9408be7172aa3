"""Owns signing and strict verification of access tokens (RFC 9068, 4; RFC 8725)."""

import json
from collections.abc import Mapping

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from jwt.algorithms import Algorithm

from tokensvc.crypto.key_ring import SIGNING_ALGORITHM, SigningKey
from tokensvc.crypto.segments import SEGMENTS, decode_object, encode_any_object, encode_object
from tokensvc.domain import base64url
from tokensvc.domain.access_token import AccessToken, from_claims, to_claims
from tokensvc.domain.bounds import MAX_TOKEN

TYPE = "at+jwt"
_MAX_HEADER = 512
_ECDSA = ec.ECDSA(hashes.SHA256())
_NUMBER_BYTES = 32  # of a point's coordinates on P-256


class AccessTokenSigner:
    """Signs with the newest key; verifies with the key that the header names, by that key's algorithm alone."""

    def __init__(self, keys: Mapping[str, SigningKey], issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._active = list(keys.values())[-1]
        header = {"alg": SIGNING_ALGORITHM, "kid": self._active.key_id, "typ": TYPE}
        self._header = encode_object(header)
        self._algorithms: dict[str, Algorithm] = {
            key.key_id: jwt.get_algorithm_by_name(key.algorithm) for key in keys.values()
        }

    def sign(self, token: AccessToken) -> str:
        """Answer the JWT of `token`."""
        encode = encode_any_object if token.claims else encode_object
        signing_input = f"{self._header}.{encode(to_claims(token))}"
        return f"{signing_input}.{base64url.encode(_es256(self._active.private, signing_input.encode('ascii')))}"

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
        if not self._algorithms[key.key_id].verify(signing_input.encode("ascii"), key.public, signature):
            return None
        claims = decode_object(claims_segment)
        if claims is None or claims.get("iss") != self._issuer:
            return None
        return from_claims(claims)

    def jwks(self) -> str:
        """The public keys as a JWK Set (RFC 7517)."""
        return json.dumps({"keys": [json.loads(key.public_jwk) for key in self._keys.values()]})

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


def _es256(private: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """The signature of RFC 7518, 3.4. PyJWT's takes longer, because it makes the algorithm anew for each token."""
    r, s = decode_dss_signature(private.sign(message, _ECDSA))
    return r.to_bytes(_NUMBER_BYTES, "big") + s.to_bytes(_NUMBER_BYTES, "big")
