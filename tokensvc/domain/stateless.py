"""Owns the session that a stateless refresh token brings along: its claims, written and strictly read."""

from typing import Any, Final

from tokensvc.domain.access_token import Claims
from tokensvc.domain.refresh_token import GENERATION_CLAIM, MAX_GENERATION
from tokensvc.domain.session import Device, Grant, Session, Traces

_LATEST: Final = 2**53  # what is beyond it is not exact in JSON

# The claims of what every session has, by the fields of grant and session.
_NUMBERS: Final = ("started_at", "started_revision", "expires_at", "idle_ttl", "access_ttl")
_NAMES: Final = {"session_id": "sid", "client_id": "client_id", "subject": "sub"}
_LISTS: Final = ("scopes", "audiences")
_STATE: Final = {"generation": GENERATION_CLAIM, "rotated_at": "rotated_at", "used_at": "used_at"}
# What is left out of a token if it is empty.
_TEXTS: Final = ("location", "acr", "claims", "credential_digest")


def to_claims(session: Session) -> Claims:
    """Answer what the token has to say of `session`, to be read back equal."""
    grant = session.grant
    claims = {name: getattr(grant, name) for name in _NUMBERS}
    claims |= {claim: getattr(grant, name) for name, claim in _NAMES.items()}
    claims |= {name: list(getattr(grant, name)) for name in _LISTS}
    claims |= {claim: getattr(session, name) for name, claim in _STATE.items()}
    extra: dict[str, Any] = {name: getattr(grant, name) for name in _TEXTS}
    extra["amr"] = list(grant.amr)
    extra["auth_time"] = grant.auth_time
    extra["device"] = _parts(grant.device.id, grant.device.name, grant.device.platform)
    extra["login"] = _parts(grant.login.ip, grant.login.user_agent)
    extra["last_seen"] = _parts(session.last_seen.ip, session.last_seen.user_agent)
    extra["last_location"] = session.last_location
    return claims | {name: value for name, value in extra.items() if value or value == 0}


def from_claims(claims: Claims) -> Session | None:
    """Read a session; None if anything is missing or not of its exact type. Nothing is converted or guessed."""
    try:
        fields: dict[str, Any] = {name: _number(claims[name]) for name in _NUMBERS}
        fields |= {name: _text(claims[claim]) for name, claim in _NAMES.items()}
        fields |= {name: _texts(claims[name]) for name in _LISTS}
        fields |= {name: _text(claims.get(name, "")) for name in _TEXTS}
        fields["amr"] = _texts(claims.get("amr", []))
        fields["auth_time"] = _number(claims["auth_time"]) if "auth_time" in claims else None
        fields["device"] = Device(*_texts(claims["device"], count=3)) if "device" in claims else Device()
        fields["login"] = _traces(claims, "login")
        state: dict[str, Any] = {name: _number(claims[claim]) for name, claim in _STATE.items()}
        state["last_seen"] = _traces(claims, "last_seen")
        state["last_location"] = _text(claims.get("last_location", ""))
    except (KeyError, TypeError):
        return None
    if state["generation"] > MAX_GENERATION:
        return None
    return Session(Grant(**fields), **state, is_stateless=True)


def _parts(*texts: str) -> list[str]:
    """All of `texts`; nothing if none says anything."""
    return list(texts) if any(texts) else []


def _traces(claims: Claims, name: str) -> Traces:
    return Traces(*_texts(claims[name], count=2)) if name in claims else Traces()


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < _LATEST:  # bool is an int to isinstance
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: object, *, count: int | None = None) -> tuple[str, ...]:
    if not isinstance(value, list) or count not in (None, len(value)):
        raise TypeError
    return tuple(map(_text, value))
