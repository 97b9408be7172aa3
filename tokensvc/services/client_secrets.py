"""Owns the secrets of clients: making them, and recognising who calls by one."""

import hashlib
import hmac

from tokensvc.domain import base64url
from tokensvc.domain.client import Client
from tokensvc.domain.errors import unauthenticated
from tokensvc.domain.view import View
from tokensvc.ports import Randomness

_PREFIX = "tscs_"  # makes leaked secrets findable
_BYTES = 32
_NO_SECRET = bytes(32)


def new_secret(randomness: Randomness) -> str:
    """Answer a secret that nobody has had."""
    return _PREFIX + base64url.encode(randomness(_BYTES))


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret. It has 256 random bits, so a fast hash loses nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def authenticate(view: View, client_id: str, secret: str, now: int) -> Client:
    """Answer the client that calls; refuse whoever is unknown, disabled or wrong in the same way and time.

    After a rotation two secrets are good until the older one expires, so there are always two comparisons.
    """
    client = view.clients.get(client_id)
    presented = hash_secret(secret)
    current, previous = client.secret_hashes(now) if client is not None else (None, None)
    matches = _is_secret(presented, current) | _is_secret(presented, previous)
    if client is None or client.disabled or not matches:
        raise unauthenticated()
    return client


def _is_secret(presented: bytes, stored: bytes | None) -> bool:
    same = hmac.compare_digest(presented, stored or _NO_SECRET)
    return same and stored is not None
