"""Owns the ids of what works once: an assertion's, a proof's."""

import hashlib

from tokensvc.domain import base64url
from tokensvc.domain.value import value


@value(frozen=True, slots=True)
class UsedId:
    """An id as it is kept once it was used, until `expires_at` (milliseconds): nothing takes it for good later."""

    digest: str
    expires_at: int


def used_id(purpose: str, owner: str, token_id: str, *, expires_at: int) -> UsedId:
    """The id of what `owner` uses for `purpose`; neither of these has zero bytes, so nobody else's is the same."""
    named = "\0".join((purpose, owner, token_id)).encode("utf-8", "surrogatepass")
    return UsedId(base64url.encode(hashlib.sha256(named).digest()), expires_at)
