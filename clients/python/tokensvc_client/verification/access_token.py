"""Owns what an access token says (RFC 9068, 2.2): read strictly, for who verifies and for who relies on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tokensvc_client.revocations.view import Beginning, beginning
from tokensvc_client.values.tokens import Confirmation
from tokensvc_client.verification import base64url
from tokensvc_client.verification.json_object import JsonObject, frozen_object, milliseconds, text, texts, whole

TYPE: Final = "at+jwt"

_RESERVED: Final = frozenset(
    {
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "sid", "orig_iat", "rev", "device_id"),
        *("auth_time", "acr", "amr", "cnf", "act", "exchanged_from"),
    }
)
_MOST_ACTORS: Final = 4
_MOST_ORIGINS: Final = 1 + 2 * _MOST_ACTORS
_ACTOR_MEMBERS: Final = frozenset({"sub", "client_id", "act"})
_ORIGIN_MEMBERS: Final = frozenset({"jti", "client_id", "orig_iat", "rev", "sub", "sid", "device_id"})
_CONFIRMATIONS: Final = {"jkt": "jkt", "x5t#S256": "x5t_s256"}
_THUMBPRINT_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts on the subject's behalf (RFC 8693, 4.1); where a client acts for itself, both are its client_id."""

    subject: str
    client_id: str


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token says that was accepted. Moments are aware, in UTC.

    `claims` are those that were given at Issue, `actors` those who act for the subject, the present one first.
    It is shared by all who present the same token, so nothing in it can be changed: lists in `claims` are tuples.
    """

    subject: str
    client_id: str
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    issuer: str
    token_id: str
    issued_at: datetime
    expires_at: datetime
    session_id: str = ""
    device_id: str = ""
    auth_time: datetime | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    claims: Mapping[str, object] = field(default_factory=dict)
    actors: tuple[Actor, ...] = ()
    confirmation: Confirmation | None = None

    @property
    def actor(self) -> Actor | None:
        """Who acts now; None if the subject, or its client, does so itself."""
        return self.actors[0] if self.actors else None


@dataclass(frozen=True, slots=True)
class ReadToken:
    """What a token says, before anybody has accepted it: from when to when (seconds), and what ends it."""

    token: VerifiedToken
    not_before: int
    issued_at: int
    expires_at: int
    beginnings: tuple[Beginning, ...]


def read_claims(claims: JsonObject, issuer: str) -> ReadToken | None:
    """Read the claims of a token of `issuer`; None if one is missing or not of its exact type."""
    if claims.get("iss") != issuer:
        return None
    try:
        issued_at, expires_at = whole(claims["iat"]), whole(claims["exp"])
        token = VerifiedToken(
            subject=text(claims["sub"]),
            client_id=text(claims["client_id"]),
            scopes=tuple(text(claims["scope"], empty=True).split()),
            audiences=texts(claims["aud"]),
            issuer=issuer,
            token_id=text(claims["jti"]),
            issued_at=_moment(issued_at),
            expires_at=_moment(expires_at),
            session_id=_optional(claims, "sid"),
            device_id=_optional(claims, "device_id"),
            auth_time=_moment(whole(claims["auth_time"])) if "auth_time" in claims else None,
            acr=_optional(claims, "acr"),
            amr=texts(claims["amr"]) if "amr" in claims else (),
            claims=frozen_object({name: value for name, value in claims.items() if name not in _RESERVED}),
            actors=_actors(claims["act"], _MOST_ACTORS) if "act" in claims else (),
            confirmation=_confirmation(claims["cnf"]) if "cnf" in claims else None,
        )
        not_before = whole(claims["nbf"]) if "nbf" in claims else 0
        return ReadToken(token, not_before, issued_at, expires_at, _beginnings(claims))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _optional(claims: JsonObject, name: str) -> str:
    return text(claims[name]) if name in claims else ""


def _moment(seconds: int) -> datetime:
    """Beyond the year 9999 it raises ValueError or OverflowError."""
    return datetime.fromtimestamp(seconds, UTC)


def _actors(claim: object, most: int) -> tuple[Actor, ...]:
    if not most or not isinstance(claim, dict) or not claim.keys() <= _ACTOR_MEMBERS:
        raise TypeError
    actor = Actor(text(claim["sub"]), text(claim["client_id"]))
    return (actor, *_actors(claim["act"], most - 1)) if "act" in claim else (actor,)


def _confirmation(claim: object) -> Confirmation:
    if not isinstance(claim, dict) or len(claim) != 1:
        raise TypeError
    ((name, thumbprint),) = claim.items()
    octets = base64url.decode(text(thumbprint))
    if octets is None or len(octets) != _THUMBPRINT_BYTES:
        raise TypeError
    return Confirmation(**{_CONFIRMATIONS[name]: thumbprint})


def _beginnings(claims: JsonObject) -> tuple[Beginning, ...]:
    """What the token depends on: one that was traded names all that it was made from, itself among it, and it alone."""
    if "act" not in claims:
        return (_beginning(claims),)
    origins = claims["exchanged_from"]
    if not isinstance(origins, list) or not 1 <= len(origins) <= _MOST_ORIGINS:
        raise TypeError
    return tuple(map(_origin, origins))


def _origin(claim: object) -> Beginning:
    if not isinstance(claim, dict) or not claim.keys() <= _ORIGIN_MEMBERS:
        raise TypeError
    return _beginning(claim)


def _beginning(claims: JsonObject) -> Beginning:
    return beginning(
        started_at=milliseconds(claims["orig_iat"]),
        started_revision=whole(claims["rev"]),
        token_id=text(claims["jti"]),
        client_id=text(claims["client_id"]),
        subject=_optional(claims, "sub"),
        session_id=_optional(claims, "sid"),
        device_id=_optional(claims, "device_id"),
    )
