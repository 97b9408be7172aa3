"""Owns noticing that many calls about one subject, or of one client, are refused within a short time."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.policy import SECOND

WINDOW: Final = 60 * SECOND
SUBJECT_BURST: Final = 20
CLIENT_BURST: Final = 200
MOST_CALLERS: Final = 5
MOST_OF_A_CALLER: Final = 1000
_MOST_NAMES: Final = 10_000


@dataclass(slots=True)
class _Window:
    began: int
    opened_by: str
    count: int = 0
    told: bool = False
    callers: Counter[str] = field(default_factory=Counter)

    def add(self, caller: str, count: int) -> None:
        self.count += count
        if caller and (caller in self.callers or len(self.callers) < MOST_CALLERS):
            self.callers[caller] += count


class RefusalBursts:
    """Counts refusals by name, in windows of a minute that begin with the first one. A node counts for itself.

    A caller that names ever new ones is followed for the first of them only, so that it drives out nobody else's.
    """

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], _Window] = {}  # in the order in which they began
        self._opened = Counter[str]()  # windows that are there, by who has opened them

    def of_subject(self, subject: str, caller: str, count: int, now: int) -> AuditEvent | None:
        """Count `count` refusals of `caller` about `subject`; answer the event of a burst, once in a window."""
        found = self._add(("subject", subject), caller, count, now, SUBJECT_BURST)
        return _event(now, found, subject=subject) if found else None

    def of_client(self, client_id: str, caller: str, count: int, now: int) -> AuditEvent | None:
        """The same for a client, as caller or as the client of a token."""
        found = self._add(("client", client_id), caller, count, now, CLIENT_BURST)
        return _event(now, found, client_id=client_id) if found else None

    def _add(self, name: tuple[str, str], caller: str, count: int, now: int, enough: int) -> _Window | None:
        """Answer the window if it has just become a burst."""
        window = self._windows.get(name)
        if window is None or not 0 <= now - window.began < WINDOW:
            window = self._open(name, caller, now)
        if window is None:
            return None
        window.add(caller, count)
        if window.told or window.count < enough:
            return None
        window.told = True
        return window

    def _open(self, name: tuple[str, str], caller: str, now: int) -> _Window | None:
        """A new window, unless the caller has opened too many; its own name is always followed."""
        self._close(name)
        while self._windows:
            oldest, window = next(iter(self._windows.items()))
            if len(self._windows) < _MOST_NAMES and 0 <= now - window.began < WINDOW:
                break
            self._close(oldest)
        if self._opened[caller] >= MOST_OF_A_CALLER and name != ("client", caller):
            return None
        self._opened[caller] += 1
        window = self._windows[name] = _Window(now, caller)
        return window

    def _close(self, name: tuple[str, str]) -> None:
        if window := self._windows.pop(name, None):
            self._opened[window.opened_by] -= 1
            if not self._opened[window.opened_by]:
                del self._opened[window.opened_by]


def worst_caller(burst: AuditEvent) -> str:
    """Of whom most of the refusals in the event of a burst were; empty for strangers."""
    return str(burst.details.get("callers", "")).partition(" ")[0]


def _event(now: int, window: _Window, **about: str) -> AuditEvent:
    details: dict[str, str | int] = {"count": window.count, "seconds": WINDOW // SECOND}
    if window.callers:
        details["callers"] = " ".join(caller for caller, _ in window.callers.most_common())
    return AuditEvent("suspicion.refusal_burst", at=now, details=details, **about)
