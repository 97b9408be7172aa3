"""Owns the session that a stateless refresh token brings along: its claims, written and strictly read."""

from typing import Any, Final

from tokensvc.domain.access_token import Claims
from tokensvc.domain.refresh_token import MAX_GENERATION
from tokensvc.domain.session import Device, Grant, Session, Traces

_LATEST: Final = 2**53  # what is beyond it is not exact in JSON
_NUMBERS: Final = ("started_at", "started_revision", "expires_at", "idle_ttl", "access_ttl")
_TEXTS: Final = ("session_id", "client_id", "subject", "location", "acr", "claims", "credential_digest")
_LISTS: Final = ("scopes", "audiences", "amr")
_STATE: Final = ("generation", "rotated_at", "used_at")


def to_claims(session: Session) -> Claims:
    """Answer what the token has to say of `session`, to be read back equal."""
    grant = session.grant
    return {
        **{name: getattr(grant, name) for name in (*_NUMBERS, *_TEXTS)},
        **{name: list(getattr(grant, name)) for name in _LISTS},
        **{name: getattr(session, name) for name in _STATE},
        "auth_time": grant.auth_time,
        "device": [grant.device.id, grant.device.name, grant.device.platform],
        "login": [grant.login.ip, grant.login.user_agent],
        "last_seen": [session.last_seen.ip, session.last_seen.user_agent],
        "last_location": session.last_location,
    }


def from_claims(claims: Claims) -> Session | None:
    """Read a session; None if anything is missing or not of its exact type. Nothing is converted or guessed."""
    try:
        auth_time = claims["auth_time"]
        fields: dict[str, Any] = {
            **{name: _number(claims[name]) for name in _NUMBERS},
            **{name: _text(claims[name]) for name in _TEXTS},
            **{name: _texts(claims[name]) for name in _LISTS},
            "auth_time": None if auth_time is None else _number(auth_time),
            "device": Device(*_texts(claims["device"], count=3)),
            "login": Traces(*_texts(claims["login"], count=2)),
        }
        state: dict[str, Any] = {name: _number(claims[name]) for name in _STATE}
        state["last_seen"] = Traces(*_texts(claims["last_seen"], count=2))
        state["last_location"] = _text(claims["last_location"])
    except (KeyError, TypeError):
        return None
    if state["generation"] > MAX_GENERATION:
        return None
    return Session(Grant(**fields), **state, is_stateless=True)


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
