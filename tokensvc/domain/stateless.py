"""Owns the session that a stateless refresh token brings along: its claims, written, and read back equal."""

from collections.abc import Mapping
from typing import Any

from tokensvc.domain import confirmation
from tokensvc.domain.claims import Claims
from tokensvc.domain.refresh_token import GENERATION_CLAIM
from tokensvc.domain.session import Device, Grant, Session, Traces


def to_claims(session: Session) -> Claims:
    """Answer what the token has to say of `session`: all that every session has, and what else there is."""
    grant = session.grant
    return {
        "sub": grant.subject,
        "client_id": grant.client_id,
        "sid": grant.session_id,
        "scopes": grant.scopes,
        "audiences": grant.audiences,
        "started_at": grant.started_at,
        "started_revision": grant.started_revision,
        "expires_at": grant.expires_at,
        "idle_ttl": grant.idle_ttl,
        "access_ttl": grant.access_ttl,
        GENERATION_CLAIM: session.generation,
        "rotated_at": session.rotated_at,
        "used_at": session.used_at,
    } | _extras(session)


def from_claims(claims: Mapping[str, Any]) -> Session | None:
    """Read the session of a token whose MAC was checked, so that we have written it; None if it is not all there."""
    try:
        grant = Grant(
            claims["sid"],
            claims["client_id"],
            claims["sub"],
            tuple(claims["scopes"]),
            tuple(claims["audiences"]),
            claims["started_at"],
            claims["started_revision"],
            claims["expires_at"],
            claims["idle_ttl"],
            claims["access_ttl"],
            Device(*claims.get("device", ())),
            Traces(*claims.get("login", ())),
            claims.get("location", ""),
            claims.get("auth_time"),
            claims.get("acr", ""),
            tuple(claims.get("amr", ())),
            claims.get("claims", ""),
            claims.get("credential_digest", ""),
            confirmation.from_claim(claims["cnf"]) if "cnf" in claims else None,
        )
        return Session(
            grant,
            claims[GENERATION_CLAIM],
            claims["rotated_at"],
            claims["used_at"],
            last_seen=Traces(*claims.get("last_seen", ())),
            last_location=claims.get("last_location", ""),
            is_stateless=True,
        )
    except (KeyError, TypeError):
        return None


def _extras(session: Session) -> Claims:
    """What some sessions have, without what is empty."""
    grant, device, login, seen = session.grant, session.grant.device, session.grant.login, session.last_seen
    extras = {
        "device": [device.id, device.name, device.platform] if device.id or device.name or device.platform else None,
        "login": [login.ip, login.user_agent] if login.ip or login.user_agent else None,
        "last_seen": [seen.ip, seen.user_agent] if seen.ip or seen.user_agent else None,
        "location": grant.location or None,
        "last_location": session.last_location or None,
        "auth_time": grant.auth_time,
        "acr": grant.acr or None,
        "amr": grant.amr or None,
        "claims": grant.claims or None,
        "credential_digest": grant.credential_digest or None,
        "cnf": confirmation.to_claim(grant.confirmation) if grant.confirmation else None,
    }
    return {name: value for name, value in extras.items() if value is not None}
