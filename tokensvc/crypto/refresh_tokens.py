"""Owns refresh tokens in their formats: written under the MAC key of their time, checked under any.

Opaque, or a JWT of type rt+jwt that says the same and more to its holder; a stateless one says all that else a row
does. Each is a pure function of the session and its handle, so a retry is answered with the same text. All are sealed
with a key of this service alone, by which no access token is ever verified.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from tokensvc.crypto.key_ring import MAC_ALGORITHM, MacKey
from tokensvc.crypto.strict_jwt import decode_own_object, encode_object, taken_apart
from tokensvc.domain import base64url
from tokensvc.domain.claims import Claims
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.domain.refresh_token import (
    GENERATION_CLAIM,
    HANDLE_BYTES,
    HANDLE_CLAIM,
    JWT_TYPE,
    MAX_GENERATION,
    PREFIX,
    RefreshToken,
    decode,
    encode,
    handle_for,
)
from tokensvc.domain.session import Session
from tokensvc.domain.stateless import from_claims, to_claims

_STATELESS = "-stateless"  # tells by the name of the key what else the token says


class _Sealing:
    """A key at work, with the headers of the JWTs that it seals."""

    def __init__(self, key: MacKey) -> None:
        self.number = key.number
        self.secret = key.secret
        self.activates_at = key.activates_at
        self.mac = hmac.new(key.secret, digestmod=hashlib.sha256)
        self.header, self.stateless_header = _header(key.number), _header(key.number, _STATELESS)


_NO_SEALING: Final[tuple[_Sealing | None, bool]] = (None, False)


class RefreshTokenFormats:
    """Implements `ports.RefreshTokens`.

    A token is sealed with the key of the time of its rotation, not of the moment: so it is the same text whenever it is
    made again, also when another key has taken over meanwhile.
    """

    def __init__(self, keys: Sequence[MacKey], issuer: str) -> None:
        """`keys` are in the order in which they are used; see `use`."""
        self._issuer = issuer
        self.use(keys)

    def use(self, keys: Sequence[MacKey]) -> None:
        """From now on these are the keys."""
        sealings = list(map(_Sealing, keys))
        self._secrets = {key.number: key.secret for key in keys}
        self._newest_first = sealings[::-1]
        # The header is compared as a whole and never read: there are two for each key.
        self._headers = {sealing.header: (sealing, False) for sealing in sealings}
        self._headers |= {sealing.stateless_header: (sealing, True) for sealing in sealings}

    def mint(self, handle: bytes, session: Session, token_format: RefreshTokenFormat) -> str:
        """Answer the one valid refresh token of `session` at its present generation."""
        sealing = self._sealing_at(session.rotated_at)
        if session.is_stateless:
            claims = {**to_claims(session), **self._common(handle, session)}
            return _sealed(sealing, sealing.stateless_header, claims)
        if token_format is RefreshTokenFormat.OPAQUE:
            return encode(RefreshToken(sealing.number, handle, session.generation), sealing.secret)
        return _sealed(sealing, sealing.header, self._common(handle, session))

    def is_one(self, text: str) -> bool:
        """Whether `text` has the form of a refresh token, genuine or not."""
        return text.startswith(PREFIX) or text.partition(".")[0] in self._headers

    def open(self, text: str) -> RefreshToken | None:
        """Read a token of any format; None unless it is genuine."""
        return decode(text, self._secrets) if text.startswith(PREFIX) else self._opened_jwt(text)

    def is_genuine(self, text: str) -> bool:
        """As the port says."""
        return (decode(text, self._secrets) if text.startswith(PREFIX) else self._unsealed(text)) is not None

    def handles_for(self, caller: str, idempotency_key: str, now: int) -> Sequence[bytes]:
        """Answer the handles that belong to a caller's idempotency key, that for a call at `now` first."""
        first = self._sealing_at(now)
        others = [sealing for sealing in self._newest_first if sealing is not first]
        return [handle_for(sealing.secret, caller, idempotency_key) for sealing in (first, *others)]

    def _sealing_at(self, moment: int) -> _Sealing:
        for sealing in self._newest_first:
            if sealing.activates_at <= moment:
                return sealing
        return self._newest_first[-1]

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

    def _unsealed(self, text: str) -> tuple[_Sealing, bool, str] | None:
        """The key that has sealed a JWT, whether it is stateless, and the segment of its claims."""
        jwt = taken_apart(text)
        sealing, is_stateless = self._headers.get(jwt.header, _NO_SEALING) if jwt else _NO_SEALING
        if jwt is None or sealing is None:
            return None
        is_sealed = hmac.compare_digest(_tag(sealing.mac, jwt.signing_input), jwt.signature)
        return (sealing, is_stateless, jwt.claims) if is_sealed else None

    def _opened_jwt(self, text: str) -> RefreshToken | None:
        unsealed = self._unsealed(text)
        if unsealed is None:
            return None
        sealing, is_stateless, claims_segment = unsealed
        claims = decode_own_object(claims_segment)
        if claims is None or claims.get("iss") != self._issuer:
            return None
        session = from_claims(claims) if is_stateless else None
        return None if is_stateless and session is None else _from_claims(sealing.number, claims, session)


def _sealed(sealing: _Sealing, header: str, claims: Claims) -> str:
    signing_input = f"{header}.{encode_object(claims)}"
    return f"{signing_input}.{_tag(sealing.mac, signing_input)}"


def _from_claims(key_id: int, claims: Claims, session: Session | None) -> RefreshToken | None:
    encoded, generation = claims.get(HANDLE_CLAIM), claims.get(GENERATION_CLAIM)
    handle = base64url.decode(encoded) if isinstance(encoded, str) else None
    if handle is None or len(handle) != HANDLE_BYTES:
        return None
    if not isinstance(generation, int) or isinstance(generation, bool) or not 0 <= generation <= MAX_GENERATION:
        return None
    return RefreshToken(key_id, handle, generation, session)


def _header(key_id: int, suffix: str = "") -> str:
    return encode_object({"alg": MAC_ALGORITHM, "kid": f"{key_id}{suffix}", "typ": JWT_TYPE})


def _tag(mac: hmac.HMAC, signing_input: str) -> str:
    """The last segment, in the one spelling that is accepted."""
    # hmac.digest gives up the interpreter's lock, and getting it back beside a busy writer costs more than the hash.
    seal = mac.copy()
    seal.update(signing_input.encode("ascii"))
    return base64url.encode(seal.digest())
