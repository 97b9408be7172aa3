"""Owns refresh tokens in their formats: written under the MAC key of their time, checked under any.

Opaque, or a JWT of type rt+jwt that says the same and more to its holder; a stateless one says all that else a row
does. Each is a pure function of the session and its handle, so a retry is answered with the same text. All are sealed
with a key of this service alone, by which no access token is ever verified: a refresh MAC key, or, where the seal is
all that vouches for the session, a session MAC key. The latter derives handles, too (see `KeyPurpose`).
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

_STATELESS: Final = "-stateless"  # tells by the name of the key what else the token says


class _Sealing:
    """A key at work, with the header of the JWTs that it seals."""

    def __init__(self, key: MacKey, *, is_stateless: bool) -> None:
        self.number = key.number
        self.secret = key.secret
        self.activates_at = key.activates_at
        self.mac = hmac.new(key.secret, digestmod=hashlib.sha256)
        self.is_stateless = is_stateless
        name = f"{key.number}{_STATELESS if is_stateless else ''}"
        self.header = encode_object({"alg": MAC_ALGORITHM, "kid": name, "typ": JWT_TYPE})


class RefreshTokenFormats:
    """Implements `ports.RefreshTokens`.

    A token is sealed with the key of the time of its rotation, not of the moment: so it is the same text whenever it is
    made again, also when another key has taken over meanwhile.
    """

    def __init__(self, keys: Sequence[MacKey], session_keys: Sequence[MacKey], issuer: str) -> None:
        """The keys are in the order in which they are used; see `use`."""
        self._issuer = issuer
        self.key_changes = 0
        self.use(keys, session_keys)

    def use(self, keys: Sequence[MacKey], session_keys: Sequence[MacKey]) -> None:
        """From now on these are the keys of the two purposes."""
        self.key_changes += 1
        self._secrets = {key.number: key.secret for key in keys}
        self._newest_first = [_Sealing(key, is_stateless=False) for key in reversed(keys)]
        self._makers_newest_first = [_Sealing(key, is_stateless=True) for key in reversed(session_keys)]
        # The header is compared as a whole and never read.
        self._headers = {sealing.header: sealing for sealing in (*self._newest_first, *self._makers_newest_first)}

    def mint(self, handle: bytes, session: Session, token_format: RefreshTokenFormat) -> str:
        """Answer the one valid refresh token of `session` at its present generation."""
        if session.is_stateless:
            claims = {**to_claims(session), **self._common(handle, session)}
            return _sealed(_sealing_at(self._makers_newest_first, session.rotated_at), claims)
        sealing = _sealing_at(self._newest_first, session.rotated_at)
        if token_format is RefreshTokenFormat.OPAQUE:
            return encode(RefreshToken(sealing.number, handle, session.generation), sealing.secret)
        return _sealed(sealing, self._common(handle, session))

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
        first = _sealing_at(self._makers_newest_first, now)
        others = [maker for maker in self._makers_newest_first if maker is not first]
        return [handle_for(maker.secret, caller, idempotency_key) for maker in (first, *others)]

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

    def _unsealed(self, text: str) -> tuple[_Sealing, str] | None:
        """The key that has sealed a JWT, and the segment of its claims."""
        jwt = taken_apart(text)
        sealing = self._headers.get(jwt.header) if jwt else None
        if jwt is None or sealing is None:
            return None
        is_sealed = hmac.compare_digest(_tag(sealing.mac, jwt.signing_input), jwt.signature)
        return (sealing, jwt.claims) if is_sealed else None

    def _opened_jwt(self, text: str) -> RefreshToken | None:
        unsealed = self._unsealed(text)
        if unsealed is None:
            return None
        sealing, claims_segment = unsealed
        claims = decode_own_object(claims_segment)
        if claims is None or claims.get("iss") != self._issuer:
            return None
        session = from_claims(claims) if sealing.is_stateless else None
        return None if sealing.is_stateless and session is None else _from_claims(sealing.number, claims, session)


def _sealing_at(newest_first: Sequence[_Sealing], moment: int) -> _Sealing:
    for sealing in newest_first:
        if sealing.activates_at <= moment:
            return sealing
    return newest_first[-1]


def _sealed(sealing: _Sealing, claims: Claims) -> str:
    signing_input = f"{sealing.header}.{encode_object(claims)}"
    return f"{signing_input}.{_tag(sealing.mac, signing_input)}"


def _from_claims(key_id: int, claims: Claims, session: Session | None) -> RefreshToken | None:
    encoded, generation = claims.get(HANDLE_CLAIM), claims.get(GENERATION_CLAIM)
    handle = base64url.decode(encoded) if isinstance(encoded, str) else None
    if handle is None or len(handle) != HANDLE_BYTES:
        return None
    if not isinstance(generation, int) or isinstance(generation, bool) or not 0 <= generation <= MAX_GENERATION:
        return None
    return RefreshToken(key_id, handle, generation, session)


def _tag(mac: hmac.HMAC, signing_input: str) -> str:
    """The last segment, in the one spelling that is accepted."""
    # hmac.digest gives up the interpreter's lock, and getting it back beside a busy writer costs more than the hash.
    seal = mac.copy()
    seal.update(signing_input.encode("ascii"))
    return base64url.encode(seal.digest())
