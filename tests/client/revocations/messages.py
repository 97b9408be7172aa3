"""Messages of WatchRevocations, by hand."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc.domain.revocation import DEVICE_SEPARATOR, EntryKind, LogEntry

NOW = 1_800_000_000
"""Seconds since the epoch, where the clocks of tests begin."""

FIELDS = {
    EntryKind.TOKEN: "token_id",
    EntryKind.SESSION: "session_id",
    EntryKind.SUBJECT: "subject",
    EntryKind.CLIENT: "client_id",
}


def timestamp(seconds: float) -> Timestamp:
    """A moment, to the microsecond."""
    message = Timestamp()
    message.FromMicroseconds(round(seconds * 1_000_000))
    return message


def revocation(
    revision: int, *, expires_at: float = NOW + 300, issued_before: float | None = None, **target: Any
) -> Any:
    """An entry; `target` is one of its fields."""
    before = None if issued_before is None else timestamp(issued_before)
    return pb.Revocation(revision=revision, expires_at=timestamp(expires_at), issued_before=before, **target)


def of_entry(entry: LogEntry) -> Any:
    """The message of an entry of the server's log."""
    if entry.kind is EntryKind.DEVICE:
        subject, device_id = entry.key.split(DEVICE_SEPARATOR)
        target: dict[str, Any] = {"device": {"subject": subject, "device_id": device_id}}
    else:
        target = {FIELDS[entry.kind]: entry.key}
    before = None if entry.issued_before is None else entry.issued_before / 1000
    return revocation(entry.revision, expires_at=entry.expires_at / 1000, issued_before=before, **target)


def told(*revocations: Any, revision: int, looked_at: float, keys_changed: bool = False) -> pb.WatchRevocationsResponse:
    """A message that completes everything up to `revision`."""
    return pb.WatchRevocationsResponse(
        revocations=revocations, revision=revision, looked_at=timestamp(looked_at), keys_changed=keys_changed
    )


def part(*revocations: Any) -> pb.WatchRevocationsResponse:
    """A part of a snapshot that is not the last one."""
    return pb.WatchRevocationsResponse(revocations=revocations)
