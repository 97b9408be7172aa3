"""Owns the revocation log: its entries and the barriers they raise."""

from collections.abc import Iterator
from dataclasses import replace
from enum import IntEnum
from typing import Final

from tokensvc.domain.value import value

OWN_REASON: Final = "tokensvc: "  # begins the reasons that this service itself gives, and no caller's
NEVER: Final = 253_402_300_799_999  # the end of the year 9999
DEVICE_SEPARATOR: Final = "\x1f"  # no identifier may contain a control character


class EntryKind(IntEnum):
    """What an entry ends. The numbers are stored."""

    TOKEN = 1
    SESSION = 2
    SUBJECT = 3
    DEVICE = 4
    CLIENT = 5
    CLIENT_CHANGED = 16  # ends nothing: tells the nodes to read the client's row again
    SUBJECT_FLAGGED = 17  # ends nothing: the subject is at risk until `issued_before`, or until further notice
    SUBJECT_UNFLAGGED = 18  # ends nothing: it is no more
    KEYS_CHANGED = 19  # ends nothing of itself: tells the nodes to read the keys again


BARRIERS: Final = frozenset({EntryKind.SUBJECT, EntryKind.DEVICE, EntryKind.CLIENT})
ENDINGS: Final = BARRIERS | {EntryKind.TOKEN, EntryKind.SESSION}
BarrierKey = tuple[EntryKind, str]


@value(frozen=True, slots=True)
class LogEntry:
    """One line of the log.

    A barrier without `issued_before` ends everything that began at a lower revision than its own; with it, everything
    that began before that moment. `revision` is given by the store, in the order of commits and without gaps. The
    entry is needed until `expires_at`, when the last access token that it concerns is dead; the barrier that it raises
    against refresh tokens until `barrier_expires_at`, when the last such session is.
    """

    kind: EntryKind
    key: str
    at: int
    expires_at: int
    issued_before: int | None = None
    reason: str = ""
    barrier_expires_at: int = 0
    revision: int = 0

    def with_revision(self, revision: int) -> "LogEntry":
        """The same entry at its place in the log."""
        return replace(self, revision=revision)


@value(frozen=True, slots=True)
class Barrier:
    """The cut-offs raised for one subject, device or client: of several the later one wins, in any order."""

    revision: int = 0
    issued_before: int = 0

    def raised_by(self, entry: LogEntry) -> "Barrier":
        """The barrier after `entry`."""
        if entry.issued_before is None:
            return Barrier(max(self.revision, entry.revision), self.issued_before)
        return Barrier(self.revision, max(self.issued_before, entry.issued_before))

    def covers(self, started_at: int, started_revision: int) -> bool:
        """Whether something that began then is ended by it."""
        return started_revision < self.revision or started_at < self.issued_before


def device_key(subject: str, device_id: str) -> str:
    """The log's key of a subject's device."""
    return f"{subject}{DEVICE_SEPARATOR}{device_id}"


def device_of(key: str) -> tuple[str, str]:
    """The subject and the device's id of a log's `device_key`."""
    subject, _, device_id = key.partition(DEVICE_SEPARATOR)
    return subject, device_id


def barrier_keys(subject: str, client_id: str, device_id: str) -> Iterator[BarrierKey]:
    """The barriers that concern a session."""
    yield EntryKind.SUBJECT, subject
    yield EntryKind.CLIENT, client_id
    if device_id:
        yield EntryKind.DEVICE, device_key(subject, device_id)
