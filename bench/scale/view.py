"""Owns measuring what an entry of the revocation log takes: in the memory of a node, and on the way to a watcher."""

import base64
import secrets
import tracemalloc
from typing import Final

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc.domain.policy import HOUR
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.view import View

_ENTRIES: Final = 200_000
_NOW: Final = 1_800_000_000_000
_FRAMES: Final = 14  # bytes before a streamed message: gRPC's 5, HTTP/2's 9


def measure() -> dict[str, int]:
    """The bytes of one ended session in a view, and as a message of its own of WatchRevocations."""
    tracemalloc.start()
    try:
        view = View()
        for revision in range(1, _ENTRIES + 1):
            view.apply(_entry(revision))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    last = _entry(_ENTRIES)
    revocation = pb.Revocation(revision=last.revision, session_id=last.key, reason=last.reason)
    revocation.expires_at.FromMilliseconds(last.expires_at)
    revocation.revoked_at.FromMilliseconds(last.at)
    message = pb.WatchRevocationsResponse(revocations=[revocation], revision=last.revision)
    message.looked_at.FromMilliseconds(last.at)
    return {"bytes_in_memory": taken // _ENTRIES, "bytes_streamed": len(message.SerializeToString()) + _FRAMES}


def _entry(revision: int) -> LogEntry:
    session_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
    return LogEntry(
        EntryKind.SESSION, session_id, at=_NOW, expires_at=_NOW + HOUR + revision, reason="logout", revision=revision
    )
