"""Owns measuring what an entry of the revocation log takes: in the memory of a node, and on the way to a watcher."""

import base64
import secrets
import tracemalloc
from typing import Final

from tokensvc.domain.policy import HOUR
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.view import View
from tokensvc.rpc.revocations import written
from tokensvc.services.revocation_feed import Step

_ENTRIES: Final = 200_000
_NOW: Final = 1_800_000_000_000
_PART: Final = 500  # entries in a message of a snapshot
_FRAMES: Final = 14  # bytes before a streamed message: gRPC's 5, HTTP/2's 9


def measure() -> dict[str, int]:
    """The bytes of one ended session in a view, and in WatchRevocations: as a message of its own, and among many."""
    tracemalloc.start()
    try:
        view = View()
        for revision in range(1, _ENTRIES + 1):
            view.apply(_entry(revision))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    part = [_entry(revision) for revision in range(_ENTRIES - _PART, _ENTRIES)]
    return {
        "bytes_in_memory": taken // _ENTRIES,
        "bytes_streamed": len(written(Step(part[-1:], _ENTRIES, _NOW))) + _FRAMES,
        "bytes_in_a_snapshot": (len(written(Step(part, 0, None))) + _FRAMES) // _PART,
    }


def _entry(revision: int) -> LogEntry:
    session_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
    return LogEntry(
        EntryKind.SESSION, session_id, at=_NOW, expires_at=_NOW + HOUR + revision, reason="logout", revision=revision
    )
