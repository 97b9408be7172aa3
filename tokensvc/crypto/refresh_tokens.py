"""Owns refresh tokens in their formats: written under the newest MAC key, checked under any.

Opaque, or a JWT of type rt+jwt that says the same and more to its holder; a stateless one says all that else a row
does. Each is a pure function of the session and its handle, so a retry is answered with the same text. All are sealed
with a key of this service alone, by which no access token is ever verified.
"""

import hashlib
import hmac
from collections.abc import Mapping

from tokensvc.crypto.key_ring import RefreshTokenMac
from tokensvc.crypto.segments import SEGMENTS, decode_own_object, encode_object
from tokensvc.domain import base64url
from tokensvc.domain.access_token import Claims
from tokensvc.domain.bounds import MAX_TOKEN
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.domain.refresh_token import (
    GENERATION_CLAIM,
    HANDLE_BYTES,
    HANDLE_CLAIM,
    JWT_TYPE,
    MAX_GENERATION,
    PREFIX,
    RefreshToken,
)
from tokensvc.domain.session import Session
from tokensvc.domain.stateless import from_claims, to_claims

ALGORITHM = "HS256"
_STATELESS = "-stateless"  # tells by the name of the key what else the token says


class RefreshTokenFormats:
    """Implements `ports.RefreshTokens`."""

    def __init__(self, keys: Mapping[int, bytes], issuer: str) -> None:
        self.opaque = RefreshTokenMac(keys)
        self._macs = {key_id: hmac.new(key, digestmod=hashlib.sha256) for key_id, key in keys.items()}
        self._issuer = issuer
        self._active = max(keys)
        self._header, self._stateless_header = _header(self._active), _header(self._active, _STATELESS)
        # The header is compared as a whole and never read: there are two for each key.
        self._headers = {_header(key_id): (key_id, False) for key_id in keys}
        self._headers |= {_header(key_id, _STATELESS): (key_id, True) for key_id in keys}

    def mint(self, handle: bytes, session: Session, token_format: RefreshTokenFormat) -> str:
        """Answer the one valid refresh token of `session` at its present generation."""
        if session.is_stateless:
            return self._sealed(self._stateless_header, {**to_claims(session), **self._common(handle, session)})
        if token_format is RefreshTokenFormat.OPAQUE:
            return self.opaque.mint(handle, session.generation)
        return self._sealed(self._header, self._common(handle, session))

    def is_one(self, text: str) -> bool:
        """Whether `text` has the form of a refresh token, genuine or not."""
        return text.startswith(PREFIX) or text.partition(".")[0] in self._headers

    def open(self, text: str) -> RefreshToken | None:
        """Read a token of any format; None unless it is genuine."""
        return self.opaque.open(text) if text.startswith(PREFIX) else self._opened_jwt(text)

    def handle_for(self, caller: str, idempotency_key: str) -> bytes:
        """Answer the handle that belongs to a caller's idempotency key."""
        return self.opaque.handle_for(caller, idempotency_key)

    def _common(self, handle: bytes, session: Session) -> Claims:
        """What both kinds of JWT say: the same until the next rotation, however often the session is used."""
        grant = session.grant
        return {
            "iss": self._issuer,
            "sub": grant.subject,
            "client_id": grant.client_id,
            "sid": grant.session_id,
            "iat": session.rotated_at // 1000,
            "exp": grant.expires_at // 1000,
            GENERATION_CLAIM: session.generation,
            HANDLE_CLAIM: base64url.encode(handle),
        }

    def _sealed(self, header: str, claims: Claims) -> str:
        signing_input = f"{header}.{encode_object(claims)}"
        return f"{signing_input}.{_tag(self._macs[self._active], signing_input)}"

    def _opened_jwt(self, text: str) -> RefreshToken | None:
        if len(text) > MAX_TOKEN or text.count(".") != SEGMENTS - 1 or not text.isascii():
            return None
        signing_input, _, tag = text.rpartition(".")
        header, _, claims_segment = signing_input.partition(".")
        key_id, is_stateless = self._headers.get(header, (0, False))
        if not key_id or not hmac.compare_digest(_tag(self._macs[key_id], signing_input), tag):
            return None
        claims = decode_own_object(claims_segment)
        if claims is None or claims.get("iss") != self._issuer:
            return None
        session = from_claims(claims) if is_stateless else None
        return None if is_stateless and session is None else _from_claims(key_id, claims, session)


def _from_claims(key_id: int, claims: Claims, session: Session | None) -> RefreshToken | None:
    encoded, generation = claims.get(HANDLE_CLAIM), claims.get(GENERATION_CLAIM)
    handle = base64url.decode(encoded) if isinstance(encoded, str) else None
    if handle is None or len(handle) != HANDLE_BYTES:
        return None
    if not isinstance(generation, int) or isinstance(generation, bool) or not 0 <= generation <= MAX_GENERATION:
        return None
    return RefreshToken(key_id, handle, generation, session)


def _header(key_id: int, suffix: str = "") -> str:
    return encode_object({"alg": ALGORITHM, "kid": f"{key_id}{suffix}", "typ": JWT_TYPE})


def _tag(mac: hmac.HMAC, signing_input: str) -> str:
    """The last segment, in the one spelling that is accepted."""
    # hmac.digest gives up the interpreter's lock, and getting it back beside a busy writer costs more than the hash.
    seal = mac.copy()
    seal.update(signing_input.encode("ascii"))
    return base64url.encode(seal.digest())
