"""Owns the refresh token: derived from a session's secret handle and a generation, stored nowhere.

`tsr1_` + base64url of key id (1 byte), handle (16), generation (4) and a MAC (16) over the rest. So a forged one is
known without a look at any session, and a retry gets the very same successor.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "tsr1_"
_KEY_ID: Final = b"\x01"
_BYTES: Final = 37
_TAG_BYTES: Final = 16


@dataclass(frozen=True)
class RefreshToken:
    """What a genuine refresh token says."""

    handle: bytes
    generation: int

    @property
    def session_id(self) -> str:
        """The session's public name."""
        return session_id_of(self.handle)


def session_id_of(handle: bytes) -> str:
    """The public name of the session with this secret handle."""
    return _base64url(hashlib.sha256(handle).digest()[:16])


def is_one(text: str) -> bool:
    """Whether `text` wants to be a refresh token."""
    return text.startswith(PREFIX)


class RefreshTokenKey:
    """The key that seals refresh tokens."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def write(self, handle: bytes, generation: int) -> str:
        """The token of this generation."""
        body = _KEY_ID + handle + generation.to_bytes(4, "big")
        return PREFIX + _base64url(body + self._tag(body))

    def read(self, text: str) -> RefreshToken | None:
        """What `text` says; None if it is malformed or forged."""
        try:
            sealed = base64.b64decode(text.removeprefix(PREFIX) + "==", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
        if len(sealed) != _BYTES or not hmac.compare_digest(tag, self._tag(body)):
            return None
        return RefreshToken(body[1:17], int.from_bytes(body[17:21], "big"))

    def handle_for(self, caller: str, idempotency_key: str) -> bytes:
        """The handle of an Issue that may be repeated: the same for the same caller and key."""
        return self._tag(b"issue\0" + caller.encode() + b"\0" + idempotency_key.encode())

    def _tag(self, message: bytes) -> bytes:
        return hmac.digest(self._key, message, "sha256")[:_TAG_BYTES]


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
