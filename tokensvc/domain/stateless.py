"""Owns the session that a stateless refresh token brings along: its claims, written, and read back equal."""

from collections.abc import Mapping
from typing import Any

from tokensvc.domain.access_token import Claims
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


def from_claims(read: Mapping[str, Any]) -> Session | None:
    """Read the session of a token whose MAC was checked, so that we have written it; None if it is not all there."""
    try:
        grant = Grant(
            read["sid"],
            read["client_id"],
            read["sub"],
            tuple(read["scopes"]),
            tuple(read["audiences"]),
            read["started_at"],
            read["started_revision"],
            read["expires_at"],
            read["idle_ttl"],
            read["access_ttl"],
            Device(*read.get("device", ())),
            Traces(*read.get("login", ())),
            read.get("location", ""),
            read.get("auth_time"),
            read.get("acr", ""),
            tuple(read.get("amr", ())),
            read.get("claims", ""),
            read.get("credential_digest", ""),
        )
        return Session(
            grant,
            read[GENERATION_CLAIM],
            read["rotated_at"],
            read["used_at"],
            last_seen=Traces(*read.get("last_seen", ())),
            last_location=read.get("last_location", ""),
            is_stateless=True,
        )
    except KeyError:
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
    }
    return {name: value for name, value in extras.items() if value is not None}
