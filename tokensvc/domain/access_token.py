"""Owns what an access token says: its claims (RFC 9068, RFC 7519), written and strictly read."""

from dataclasses import field
from typing import Final

from tokensvc.domain import confirmation, delegation
from tokensvc.domain.claims import Claims, milliseconds, seconds, text, texts
from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.delegation import DELEGATION_CLAIMS, Delegation
from tokensvc.domain.value import value

# Set by this service or given a meaning by RFC 7519, 8693, 7800 and 9068: not to be set by callers.
RESERVED: Final = frozenset(
    {
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "sid", "orig_iat", "rev", "device_id"),
        *("auth_time", "acr", "amr", "cnf", *DELEGATION_CLAIMS),
    }
)


@value(frozen=True, slots=True, eq=False)
class AccessToken:
    """The claims of one access token. Two are the same only if they are the same object: caches rely on it.

    Besides the registered claims it carries `sid`, `orig_iat` (when the session began, with milliseconds) and `rev`
    (the revision of the revocation log at that moment), which revocations of a subject, device or client look at. One
    that Exchange has made has a `delegation`. Whoever presents one with a
    `confirmation` has to prove that key.
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
    delegation: Delegation | None = None
    confirmation: Confirmation | None = None


def whole_second(moment: int) -> int:
    """The claim exp has whole seconds: `moment` is rounded up, so that a token lives as long as is said."""
    return -(-moment // 1000) * 1000


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
    if token.delegation is not None:
        claims |= delegation.to_claims(token.delegation)
    if token.confirmation is not None:
        claims["cnf"] = confirmation.to_claim(token.confirmation)
    return claims


def from_claims(claims: Claims) -> AccessToken | None:
    """Read a claims set; None if a claim is missing or not of its exact type. Nothing is converted or guessed."""
    try:
        return AccessToken(
            issuer=text(claims["iss"]),
            subject=text(claims["sub"]),
            client_id=text(claims["client_id"]),
            audiences=texts(claims["aud"]),
            scopes=tuple(text(claims["scope"], empty=True).split()),
            issued_at=seconds(claims["iat"]) * 1000,
            expires_at=seconds(claims["exp"]) * 1000,
            token_id=text(claims["jti"]),
            started_at=milliseconds(claims["orig_iat"]),
            started_revision=seconds(claims["rev"]),
            session_id=text(claims["sid"]) if "sid" in claims else "",
            device_id=text(claims["device_id"]) if "device_id" in claims else "",
            auth_time=seconds(claims["auth_time"]) * 1000 if "auth_time" in claims else None,
            acr=text(claims["acr"]) if "acr" in claims else "",
            amr=texts(claims["amr"]) if "amr" in claims else (),
            claims={name: value for name, value in claims.items() if name not in RESERVED},
            delegation=delegation.from_claims(claims),
            confirmation=confirmation.from_claim(claims["cnf"]) if "cnf" in claims else None,
        )
    except (KeyError, TypeError, ValueError):
        return None
