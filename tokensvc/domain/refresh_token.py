"""Owns the opaque refresh token: how it is derived, written and checked. It is stored nowhere.

`tsr1_` + base64url of key_id(1) | handle(16) | generation(4, big-endian) | tag(16), where the tag is a truncated
HMAC-SHA256 over the prefix, the handle and the generation. The session row knows only a hash of the handle, so neither
the database nor the MAC key, nor both together, are enough to make a token. Handles are random, or derived with a key
of another purpose.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import field

from tokensvc.domain import base64url
from tokensvc.domain.session import Session
from tokensvc.domain.value import value

PREFIX = "tsr1_"
HANDLE_BYTES = 16
JWT_TYPE = "rt+jwt"
HANDLE_CLAIM = "hdl"
GENERATION_CLAIM = "gen"
MAX_GENERATION = 2**31 - 1  # what databases hold in four bytes
_TAG_BYTES = 16
_BODY_BYTES = 1 + HANDLE_BYTES + 4 + _TAG_BYTES
_LENGTH = len(PREFIX) + 50
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")  # 16 bytes: the last character has two bits of them


@value(frozen=True, slots=True)
class RefreshToken:
    """What a genuine refresh token says: which session (through its secret handle) and which generation of it.

    A stateless one brings the whole `session` along.
    """

    key_id: int
    handle: bytes = field(repr=False)
    generation: int
    session: Session | None = None

    @property
    def session_id(self) -> str:
        """The public name of the session: a truncated hash of the handle, 22 characters of base64url."""
        return self.session.grant.session_id if self.session else session_id_of(self.handle)


def session_id_of(handle: bytes) -> str:
    """Answer the session id that belongs to `handle`."""
    return base64url.encode(hashlib.sha256(handle).digest()[:16])


def is_session_id(text: str) -> bool:
    """Whether `text` has the form of a session id; what has not names no session."""
    return _SESSION_ID.fullmatch(text) is not None


def encode(token: RefreshToken, key: bytes) -> str:
    """Write `token` with the tag made by `key`."""
    body = token.handle + token.generation.to_bytes(4, "big")
    return PREFIX + base64url.encode(bytes([token.key_id]) + body + _tag(key, body))


def decode(text: str, keys: Mapping[int, bytes]) -> RefreshToken | None:
    """Read `text`; None if it is malformed or its tag was not made by one of `keys` (key id to MAC key)."""
    body = parse(text)
    if body is None:
        return None
    key = keys.get(body[0])
    if key is None or not hmac.compare_digest(_tag(key, body[1:21]), body[21:]):
        return None
    return RefreshToken(body[0], body[1:17], int.from_bytes(body[17:21], "big"))


def parse(text: str) -> bytes | None:
    """Answer the token's raw bytes without checking the tag; None if `text` is not exactly of the format."""
    if len(text) != _LENGTH or not text.startswith(PREFIX):
        return None
    body = base64url.decode(text[len(PREFIX) :])
    return body if body is not None and len(body) == _BODY_BYTES else None


def handle_for(key: bytes, caller: str, idempotency_key: str) -> bytes:
    """Answer the handle of an Issue that may be repeated: the same for the same caller and idempotency key."""
    message = b"tsr1-issue\0" + caller.encode() + b"\0" + idempotency_key.encode()
    return _hmac(key, message)[:HANDLE_BYTES]


def bound_digest(handle: bytes, name: str, value: str) -> str:
    """Answer what the session row keeps of a bound `value`: keyed by the handle, so that a dump cannot be searched."""
    return base64url.encode(_hmac(handle, f"{name}\0{value}".encode())[:16])


def _tag(key: bytes, body: bytes) -> bytes:
    return _hmac(key, b"tsr1" + body)[:_TAG_BYTES]


def _hmac(key: bytes, message: bytes) -> bytes:
    # hmac.digest gives up the interpreter's lock, and getting it back beside a busy writer costs more than the hash.
    return hmac.new(key, message, "sha256").digest()
