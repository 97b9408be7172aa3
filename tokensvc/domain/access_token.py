"""Owns what an access token says: its claims (RFC 9068, RFC 7519), written and strictly read."""

import math
from dataclasses import dataclass, field
from typing import Final

Claims = dict[str, object]

# Set by this service or given a meaning by RFC 7519, 8693, 7800 and 9068: not to be set by callers.
RESERVED: Final = frozenset(
    {
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "sid", "orig_iat", "rev", "device_id"),
        *("auth_time", "acr", "amr", "cnf", "act", "may_act"),
    }
)
_LATEST: Final = 2**53  # NumericDate and revisions beyond it are not exact in JSON


@dataclass(frozen=True, slots=True, eq=False)
class AccessToken:
    """The claims of one access token. Two are the same only if they are the same object: caches rely on it.

    Besides the registered claims it carries `sid`, `orig_iat` (when the session began, with milliseconds) and `rev`
    (the revision of the revocation log at that moment), which revocations of a subject, device or client look at.
    """

    issuer: str
    subject: str
    client_id: str
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    issued_at: int
    expires_at: int
    token_id: str
    started_at: int
    started_revision: int
    session_id: str = ""
    device_id: str = ""
    auth_time: int | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    claims: Claims = field(default_factory=dict)


def to_claims(token: AccessToken) -> Claims:
    """Answer the JWT claims set of `token`."""
    claims: Claims = {
        **token.claims,
        "iss": token.issuer,
        "sub": token.subject,
        "aud": list(token.audiences),
        "client_id": token.client_id,
        "iat": token.issued_at // 1000,
        "exp": token.expires_at // 1000,
        "jti": token.token_id,
        "scope": " ".join(token.scopes),
        "orig_iat": token.started_at / 1000,
        "rev": token.started_revision,
    }
    if token.session_id:
        claims["sid"] = token.session_id
    if token.device_id:
        claims["device_id"] = token.device_id
    if token.auth_time is not None:
        claims["auth_time"] = token.auth_time // 1000
    if token.acr:
        claims["acr"] = token.acr
    if token.amr:
        claims["amr"] = list(token.amr)
    return claims


def from_claims(claims: Claims) -> AccessToken | None:
    """Read a claims set; None if a claim is missing or not of its exact type. Nothing is converted or guessed."""
    try:
        return AccessToken(
            issuer=_text(claims["iss"]),
            subject=_text(claims["sub"]),
            client_id=_text(claims["client_id"]),
            audiences=_texts(claims["aud"]),
            scopes=tuple(_text(claims["scope"], empty=True).split()),
            issued_at=_seconds(claims["iat"]) * 1000,
            expires_at=_seconds(claims["exp"]) * 1000,
            token_id=_text(claims["jti"]),
            started_at=_milliseconds(claims["orig_iat"]),
            started_revision=_seconds(claims["rev"]),
            session_id=_text(claims["sid"]) if "sid" in claims else "",
            device_id=_text(claims["device_id"]) if "device_id" in claims else "",
            auth_time=_seconds(claims["auth_time"]) * 1000 if "auth_time" in claims else None,
            acr=_text(claims["acr"]) if "acr" in claims else "",
            amr=_texts(claims["amr"]) if "amr" in claims else (),
            claims={name: value for name, value in claims.items() if name not in RESERVED},
        )
    except (KeyError, TypeError, ValueError):
        return None


def _text(value: object, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise TypeError
    return tuple(map(_text, value))


def _seconds(value: object) -> int:
    if type(value) is not int or not 0 <= value < _LATEST:  # bool is an int to isinstance
        raise TypeError
    return value


def _milliseconds(value: object) -> int:
    if type(value) is int:
        return _seconds(value) * 1000
    if type(value) is not float or not math.isfinite(value) or not 0 <= value < _LATEST:
        raise TypeError
    return round(value * 1000)
