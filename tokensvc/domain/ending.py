"""Owns how a session ends: its row, and the entry of the log that ends its access tokens."""

from dataclasses import replace

from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.session import Session


def end(session: Session, now: int, reason: str) -> tuple[Session, LogEntry]:
    """Answer the ended session and the entry, which is needed until the last of its access tokens has expired.

    Where no row says that the session has ended, the entry says it for as long as the session would have lived.
    """
    expires_at = session.grant.expires_at if session.is_stateless else now + session.grant.access_ttl
    entry = LogEntry(EntryKind.SESSION, session.grant.session_id, at=now, expires_at=expires_at, reason=reason)
    return replace(session, revoked_at=now, revoke_reason=reason), entry
