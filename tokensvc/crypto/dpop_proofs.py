"""Owns verifying DPoP proofs: JWTs that are signed by the key which they bring along (RFC 9449, 4.3)."""

from typing import Final

from tokensvc.crypto.jwk import JwkError, PublicKey, read_key, thumbprint
from tokensvc.crypto.strict_jwt import decode_object, is_signed, read_header, taken_apart
from tokensvc.domain.dpop_proof import DpopProof, from_claims

TYPE: Final = "dpop+jwt"
_MAX_PROOF: Final = 8192
_MAX_HEADER: Final = 4096  # a key of RSA with 4096 bits takes a third of it


def read_proof(text: str) -> DpopProof | None:
    """As `ports.ReadProof` says.

    The key vouches for nothing but itself: whether it is the one that a token is bound to, its thumbprint tells.
    """
    jwt = taken_apart(text, most=_MAX_PROOF)
    header = read_header(jwt.header, (TYPE,), most=_MAX_HEADER) if jwt else None
    claims = decode_object(jwt.claims) if jwt and header else None
    if jwt is None or header is None or claims is None:
        return None
    jwk, algorithm = header.get("jwk"), header.get("alg")
    key = _public_key(jwk)
    if key is None or not isinstance(jwk, dict) or not isinstance(algorithm, str):
        return None
    proof = from_claims(claims, thumbprint(jwk))
    if proof is None or algorithm not in key.algorithms or not is_signed(jwt, algorithm, key.public):
        return None
    return proof


def _public_key(jwk: object) -> PublicKey | None:
    try:
        return read_key(jwk)
    except JwkError:
        return None
