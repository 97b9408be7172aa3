"""Owns noticing that many calls about one subject, or of one client, are refused within a short time."""

from dataclasses import dataclass
from typing import Final

from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.policy import SECOND

WINDOW: Final = 60 * SECOND
SUBJECT_BURST: Final = 20
CLIENT_BURST: Final = 200
_MOST_NAMES: Final = 10_000


@dataclass(slots=True)
class _Window:
    began: int
    count: int = 0
    told: bool = False


class RefusalBursts:
    """Counts refusals by name, in windows of a minute that begin with the first one. A node counts for itself."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], _Window] = {}

    def of_subject(self, subject: str, count: int, now: int) -> AuditEvent | None:
        """Count `count` refusals about `subject`; answer the event of a burst, once in a window."""
        found = self._add(("subject", subject), count, now, SUBJECT_BURST)
        return _event(now, found, subject=subject) if found else None

    def of_client(self, client_id: str, count: int, now: int) -> AuditEvent | None:
        """The same for a client, as caller or as the client of a token."""
        found = self._add(("client", client_id), count, now, CLIENT_BURST)
        return _event(now, found, client_id=client_id) if found else None

    def _add(self, name: tuple[str, str], count: int, now: int, enough: int) -> int:
        """Answer the count of the window if it has just become a burst, else zero."""
        window = self._windows.get(name)
        if window is None or not 0 <= now - window.began < WINDOW:
            self._windows.pop(name, None)
            if len(self._windows) >= _MOST_NAMES:
                del self._windows[next(iter(self._windows))]  # the one that began first
            window = self._windows[name] = _Window(now)
        window.count += count
        if window.told or window.count < enough:
            return 0
        window.told = True
        return window.count


def _event(now: int, count: int, **about: str) -> AuditEvent:
    details: dict[str, str | int] = {"count": count, "seconds": WINDOW // SECOND}
    return AuditEvent("suspicion.refusal_burst", at=now, details=details, **about)
