"""Owns what a DPoP proof says, for which request it is, and when it is good (RFC 9449, 4.2 and 4.3)."""

import hashlib
import re
from dataclasses import field
from typing import Final

from tokensvc.domain import base64url, bounds
from tokensvc.domain import claims as read
from tokensvc.domain.claims import Claims
from tokensvc.domain.confirmation import is_thumbprint
from tokensvc.domain.errors import invalid
from tokensvc.domain.http_uri import normalized
from tokensvc.domain.policy import MINUTE, SECOND
from tokensvc.domain.used_id import UsedId, used_id
from tokensvc.domain.value import value

OLDEST: Final = 60 * SECOND
LEEWAY: Final = 10 * SECOND  # by which a phone's clock may be ahead of ours
NONCE_STEP: Final = MINUTE
"""How long a nonce is the present one; it is good for as long before and after."""

_LONGEST_LIFE: Final = max(OLDEST + LEEWAY, 3 * NONCE_STEP)
_MAX_URI: Final = 2048
_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")  # RFC 9110, 9.1


@value(frozen=True, slots=True)
class RelayedProof:
    """A proof as it was relayed, with method and URI of the request that it came with; none of it checked yet."""

    proof: str = field(repr=False)
    method: str
    uri: str


@value(frozen=True, slots=True)
class DpopProof:
    """What a proof says that is signed by the key with this `thumbprint`: the claims of RFC 9449, 4.2."""

    thumbprint: str
    token_id: str
    method: str
    uri: str
    issued_at: int
    access_token_hash: str = ""
    nonce: str = ""

    def is_for(self, relayed: RelayedProof) -> bool:
        """Whether it was made for the request that it came with (RFC 9449, 4.3, 8 and 9)."""
        return self.method == relayed.method and normalized(self.uri) == normalized(relayed.uri)

    def is_timely(self, now: int) -> bool:
        """Whether it was made just now (RFC 9449, 4.3, 11)."""
        return now - OLDEST < self.issued_at <= now + LEEWAY

    def used_id(self, now: int) -> UsedId:
        """What must not have been used before; what is good at `now` is too old by its end (RFC 9449, 11.1)."""
        return used_id("dpop-proof", self.thumbprint, self.token_id, expires_at=now + _LONGEST_LIFE)


def check_relayed(relayed: RelayedProof) -> None:
    """Refuse what says nothing that a proof could be compared with, naming the field; the proof is not looked at."""
    bounds.token(relayed.proof, "dpop.proof")
    if not _METHOD.fullmatch(relayed.method):
        raise invalid("dpop.method", "method is not the name of an HTTP method")
    if len(relayed.uri) > _MAX_URI or normalized(relayed.uri) is None:
        raise invalid("dpop.uri", "uri is not an absolute URI of scheme http or https")


def hash_of(access_token: str) -> str:
    """What the claim `ath` of a proof that comes with `access_token` has to be (RFC 9449, 4.2)."""
    return base64url.encode(hashlib.sha256(access_token.encode("utf-8", "surrogatepass")).digest())


def from_claims(claims: Claims, thumbprint: str) -> DpopProof | None:
    """Read a claims set; None if a claim is missing or not of its exact type."""
    try:
        proof = DpopProof(
            thumbprint,
            token_id=read.text(claims["jti"]),
            method=read.text(claims["htm"]),
            uri=read.text(claims["htu"]),
            issued_at=read.milliseconds(claims["iat"]),
            access_token_hash=read.text(claims["ath"]) if "ath" in claims else "",
            nonce=read.text(claims["nonce"]) if "nonce" in claims else "",
        )
    except (KeyError, TypeError):
        return None
    has_hash = not proof.access_token_hash or is_thumbprint(proof.access_token_hash)
    return proof if has_hash and len(proof.token_id) <= bounds.MAX_NAME else None
