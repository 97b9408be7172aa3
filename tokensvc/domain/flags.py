"""Owns marking a subject as at risk: clients with selective rotation rotate at its next refresh."""

from tokensvc.domain.client import Client
from tokensvc.domain.effects import AuditEvent, Effects
from tokensvc.domain.revocation import NEVER, EntryKind, LogEntry
from tokensvc.domain.value import value


@value(frozen=True, slots=True)
class Marking:
    """Who says something of a subject, when and why.

    `kept_until` is how long the log holds what was said of it before: whoever reads the log later, when a part of it is
    gone, must not find an older word without the last one.
    """

    caller: Client
    now: int
    reason: str
    subject: str
    kept_until: int = 0


def flag_subject(marking: Marking, until: int | None) -> Effects[None]:
    """Mark the subject until that moment, or until further notice; the mark before counts no more."""
    return _noted(marking, EntryKind.SUBJECT_FLAGGED, "subject.flagged", NEVER if until is None else until, until)


def unflag_subject(marking: Marking) -> Effects[None]:
    """Take the mark away."""
    return _noted(marking, EntryKind.SUBJECT_UNFLAGGED, "subject.unflagged", marking.now, None)


def _noted(marking: Marking, kind: EntryKind, event: str, needed_until: int, until: int | None) -> Effects[None]:
    entry = LogEntry(
        kind,
        marking.subject,
        at=marking.now,
        expires_at=max(needed_until, marking.kept_until),
        issued_before=until,
        reason=marking.reason,
    )
    audit = AuditEvent(
        event, at=marking.now, caller=marking.caller.client_id, subject=marking.subject, reason=marking.reason
    )
    return Effects(None, log=(entry,), audit=(audit,))
