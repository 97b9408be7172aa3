"""Owns what a revocation leads to: what is written when a token, session, subject, device or client is ended."""

from dataclasses import replace

from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.client import Client
from tokensvc.domain.effects import AuditEvent, Effects
from tokensvc.domain.ending import end
from tokensvc.domain.policy import MAX_ACCESS_TTL, MAX_REFRESH_TTL
from tokensvc.domain.revocation import EntryKind, LogEntry, device_key
from tokensvc.domain.session import Session
from tokensvc.domain.value import value


@value(frozen=True, slots=True)
class Revocation:
    """Who revokes, when and why."""

    caller: Client
    now: int
    reason: str


def end_session(order: Revocation, session: Session | None) -> Effects[None]:
    """End a session; nothing if it is unknown, ended already, or of a client that the caller may not act for."""
    if session is None or session.revoked_at is not None or not order.caller.may_act_for(session.grant.client_id):
        return Effects(None)
    grant = session.grant
    event = _event(
        "session.revoked", order, client_id=grant.client_id, subject=grant.subject, session_id=grant.session_id
    )
    ended, entry = end(session, order.now, order.reason)
    return Effects(None, session=ended, log=(entry,), audit=(event,))


def end_access_token(order: Revocation, token: AccessToken) -> Effects[None]:
    """End one access token; nothing if it has expired, or is of a client that the caller may not act for."""
    if order.now >= token.expires_at or not order.caller.may_act_for(token.client_id):
        return Effects(None)
    entry = LogEntry(EntryKind.TOKEN, token.token_id, at=order.now, expires_at=token.expires_at, reason=order.reason)
    event = _event(
        "token.revoked", order, client_id=token.client_id, subject=token.subject, session_id=token.session_id
    )
    return Effects(None, log=(entry,), audit=(event,))


def end_subject(order: Revocation, subject: str, issued_before: int | None) -> Effects[None]:
    """End everything of a subject."""
    return _raise(order, EntryKind.SUBJECT, subject, issued_before, _event("subject.revoked", order, subject=subject))


def end_device(order: Revocation, subject: str, device_id: str, issued_before: int | None) -> Effects[None]:
    """End everything of a subject on one device."""
    event = replace(_event("device.revoked", order, subject=subject), details={"device_id": device_id})
    return _raise(order, EntryKind.DEVICE, device_key(subject, device_id), issued_before, event)


def end_client(order: Revocation, client_id: str, issued_before: int | None) -> Effects[None]:
    """End everything that was issued for a client."""
    event = _event("client.revoked", order, client_id=client_id)
    return _raise(order, EntryKind.CLIENT, client_id, issued_before, event)


def _raise(order: Revocation, kind: EntryKind, key: str, issued_before: int | None, event: AuditEvent) -> Effects[None]:
    return Effects(None, log=(barrier_entry(kind, key, order.now, issued_before, order.reason),), audit=(event,))


def barrier_entry(kind: EntryKind, key: str, now: int, issued_before: int | None, reason: str) -> LogEntry:
    """The log entry of a barrier. Whose tokens it meets is not known: it is kept for the longest lifetimes allowed."""
    return LogEntry(
        kind,
        key,
        at=now,
        expires_at=now + MAX_ACCESS_TTL,
        issued_before=issued_before,
        reason=reason,
        barrier_expires_at=now + MAX_REFRESH_TTL,
    )


def _event(kind: str, order: Revocation, *, client_id: str = "", subject: str = "", session_id: str = "") -> AuditEvent:
    return AuditEvent(
        kind,
        at=order.now,
        caller=order.caller.client_id,
        client_id=client_id,
        subject=subject,
        session_id=session_id,
        reason=order.reason,
    )
