"""Owns marking a subject as at risk: clients with selective rotation rotate at its next refresh."""

from tokensvc.domain.effects import AuditEvent, Effects
from tokensvc.domain.revocation import NEVER, EntryKind, LogEntry
from tokensvc.domain.revoke import Revocation


def flag_subject(order: Revocation, subject: str, until: int | None) -> Effects[None]:
    """Mark `subject` until that moment, or until further notice."""
    return _noted(order, EntryKind.SUBJECT_FLAGGED, "subject.flagged", subject, until)


def unflag_subject(order: Revocation, subject: str) -> Effects[None]:
    """Take the mark away, if there is one."""
    return _noted(order, EntryKind.SUBJECT_UNFLAGGED, "subject.unflagged", subject, None)


def _noted(order: Revocation, kind: EntryKind, event: str, subject: str, until: int | None) -> Effects[None]:
    # Kept for ever: whoever reads the log from its beginning must not find an older mark without its end.
    entry = LogEntry(kind, subject, at=order.now, expires_at=NEVER, issued_before=until, reason=order.reason)
    audit = AuditEvent(event, at=order.now, caller=order.caller.client_id, subject=subject, reason=order.reason)
    return Effects(None, log=(entry,), audit=(audit,))
