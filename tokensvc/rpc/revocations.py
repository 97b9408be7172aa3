"""Owns the messages of WatchRevocations: what watchers are told, as bytes that serve all of them."""

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc.domain.revocation import EntryKind, LogEntry, device_of
from tokensvc.rpc.convert import timestamp
from tokensvc.services.revocation_feed import Step

_FIELDS = {
    EntryKind.TOKEN: "token_id",
    EntryKind.SESSION: "session_id",
    EntryKind.SUBJECT: "subject",
    EntryKind.CLIENT: "client_id",
}


def written(step: Step) -> bytes:
    """The message of `step`."""
    return pb.WatchRevocationsResponse(
        revocations=map(_message, step.entries),
        revision=step.revision,
        looked_at=None if step.looked_at is None else timestamp(step.looked_at),
        keys_changed=step.keys_changed,
    ).SerializeToString()


def _message(entry: LogEntry) -> pb.Revocation:
    message = pb.Revocation(
        revision=entry.revision,
        expires_at=timestamp(entry.expires_at),
        revoked_at=timestamp(entry.at),
        reason=entry.reason,
    )
    if entry.kind is EntryKind.DEVICE:
        message.device.subject, message.device.device_id = device_of(entry.key)
    else:
        setattr(message, _FIELDS[entry.kind], entry.key)
    if entry.issued_before is not None:
        message.issued_before.CopyFrom(timestamp(entry.issued_before))
    return message
