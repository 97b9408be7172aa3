"""Owns refresh tokens in their formats: written under the newest MAC key, checked under any.

Opaque, or a JWT of type rt+jwt that says the same and more to its holder. Either is a pure function of the session's
row and its handle, so a retry is answered with the same text. Both are sealed with a key of this service alone, by
which no access token is ever verified.
"""

import hashlib
import hmac
from collections.abc import Mapping

from tokensvc.crypto.key_ring import RefreshTokenMac
from tokensvc.crypto.segments import SEGMENTS, decode_object, decode_segment, encode_object, encode_segment
from tokensvc.domain.bounds import MAX_TOKEN
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.domain.refresh_token import HANDLE_BYTES, HANDLE_CLAIM, JWT_TYPE, MAX_GENERATION, PREFIX, RefreshToken
from tokensvc.domain.session import Session

ALGORITHM = "HS256"


class RefreshTokenFormats:
    """Implements `ports.RefreshTokens`."""

    def __init__(self, keys: Mapping[int, bytes], issuer: str) -> None:
        self.opaque = RefreshTokenMac(keys)
        self._keys = keys
        self._issuer = issuer
        self._active = max(keys)
        # The header is compared as a whole and never read: there is one for each key.
        self._headers = {_header(key_id): key_id for key_id in keys}

    def mint(self, handle: bytes, session: Session, token_format: RefreshTokenFormat) -> str:
        """Answer the one valid refresh token of `session` at its present generation."""
        if token_format is RefreshTokenFormat.JWT:
            return self._jwt(handle, session)
        return self.opaque.mint(handle, session.generation)

    def is_one(self, text: str) -> bool:
        """Whether `text` has the form of a refresh token, genuine or not."""
        return text.startswith(PREFIX) or text.partition(".")[0] in self._headers

    def open(self, text: str) -> RefreshToken | None:
        """Read a token of any format; None unless it is genuine."""
        return self.opaque.open(text) if text.startswith(PREFIX) else self._opened_jwt(text)

    def handle_for(self, caller: str, idempotency_key: str) -> bytes:
        """Answer the handle that belongs to a caller's idempotency key."""
        return self.opaque.handle_for(caller, idempotency_key)

    def _jwt(self, handle: bytes, session: Session) -> str:
        grant = session.grant
        claims = {
            "iss": self._issuer,
            "sub": grant.subject,
            "client_id": grant.client_id,
            "sid": grant.session_id,
            "gen": session.generation,
            HANDLE_CLAIM: encode_segment(handle),
            "iat": session.rotated_at // 1000,
            "exp": grant.expires_at // 1000,
        }
        signing_input = f"{_header(self._active)}.{encode_object(claims)}"
        return f"{signing_input}.{encode_segment(_tag(self._keys[self._active], signing_input))}"

    def _opened_jwt(self, text: str) -> RefreshToken | None:
        if len(text) > MAX_TOKEN or text.count(".") != SEGMENTS - 1 or not text.isascii():
            return None
        signing_input, _, tag_segment = text.rpartition(".")
        header, _, claims_segment = signing_input.partition(".")
        key_id = self._headers.get(header)
        tag = decode_segment(tag_segment)
        if key_id is None or tag is None or not hmac.compare_digest(_tag(self._keys[key_id], signing_input), tag):
            return None
        return self._from_claims(key_id, claims_segment)

    def _from_claims(self, key_id: int, segment: str) -> RefreshToken | None:
        claims = decode_object(segment)
        if claims is None or claims.get("iss") != self._issuer:
            return None
        encoded, generation = claims.get(HANDLE_CLAIM), claims.get("gen")
        handle = decode_segment(encoded) if isinstance(encoded, str) else None
        if handle is None or len(handle) != HANDLE_BYTES:
            return None
        if not isinstance(generation, int) or isinstance(generation, bool) or not 0 <= generation <= MAX_GENERATION:
            return None
        return RefreshToken(key_id, handle, generation)


def _header(key_id: int) -> str:
    return encode_object({"alg": ALGORITHM, "kid": str(key_id), "typ": JWT_TYPE})


def _tag(key: bytes, signing_input: str) -> bytes:
    # hmac.digest gives up the interpreter's lock, and getting it back beside a busy writer costs more than the hash.
    return hmac.new(key, signing_input.encode("ascii"), hashlib.sha256).digest()
