"""Owns the messages of WatchRevocations: what watchers are told, as bytes that serve all of them."""

from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc.domain.revocation import EntryKind, LogEntry, device_of
from tokensvc.services.revocation_feed import Step

_FIELDS = {
    EntryKind.TOKEN: "token_id",
    EntryKind.SESSION: "session_id",
    EntryKind.SUBJECT: "subject",
    EntryKind.CLIENT: "client_id",
}


def written(step: Step) -> bytes:
    """The message of `step`."""
    message = pb.WatchRevocationsResponse(revision=step.revision, keys_changed=step.keys_changed)
    if step.looked_at is not None:
        _put(message.looked_at, step.looked_at)
    for entry in step.entries:
        _write(message.revocations.add(), entry)
    return message.SerializeToString()


def _write(message: pb.Revocation, entry: LogEntry) -> None:
    message.revision, message.reason = entry.revision, entry.reason
    if entry.kind is EntryKind.DEVICE:
        message.device.subject, message.device.device_id = device_of(entry.key)
    else:
        setattr(message, _FIELDS[entry.kind], entry.key)
    _put(message.expires_at, entry.expires_at)
    _put(message.revoked_at, entry.at)
    if entry.issued_before is not None:
        _put(message.issued_before, entry.issued_before)


def _put(timestamp: Timestamp, milliseconds: int) -> None:
    """In place: a snapshot has very many, and a message that is made and copied takes twice as long."""
    timestamp.seconds, rest = divmod(milliseconds, 1000)
    timestamp.nanos = rest * 1_000_000
