"""Owns what is known of live revocations: packed in memory, and asked by the beginnings that a token depends on."""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_pb.v1 import token_service_pb2 as pb

GRACE: Final = 2 * 60 * 60
"""Seconds for which an expired entry is kept: for whoever judges tokens by a clock that is behind the server's."""

_BUCKETS: Final = 2**16
_AT_ONCE: Final = _BUCKETS // 256  # buckets that one step of forgetting looks into
_SEPARATOR: Final = "\x1f"  # no identifier may contain a control character

# An entry: 12 bytes of its key's digest, until when it is needed (seconds), what it covers (revision, milliseconds).
_DIGEST: Final = struct.Struct(">12sH")
_ENTRY: Final = struct.Struct(">12sIQQ")
_EXPIRES_AT: Final = struct.Struct(">12xI16x")
_COVERS: Final = struct.Struct(">16xQQ")
_EVERYTHING: Final = 2**64 - 1
_FOREVER: Final = 2**32 - 1


class NotUnderstoodError(Exception):
    """The server is newer than this library, and says something without which no token can be judged."""


class Key(NamedTuple):
    """What an entry may be about, as a digest: its `name`, and the `bucket` that it is in.

    112 bits in all: to find two that are taken for one takes 2**56 tries, and ends a token too many.
    """

    name: bytes
    bucket: int


def key_of(kind: str, identifier: str) -> Key:
    """The key of what is named by `identifier`, where names of one `kind` mean nothing in another."""
    named = (kind + _SEPARATOR + identifier).encode("utf-8", "surrogatepass")
    return Key._make(_DIGEST.unpack(hashlib.blake2b(named, digest_size=_DIGEST.size).digest()))


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a token depends on: when it began (milliseconds, and revision of the log), by all that may be revoked."""

    started_at: int
    started_revision: int
    keys: tuple[Key, ...]


def beginning(
    *,
    started_at: int,
    started_revision: int,
    token_id: str,
    client_id: str,
    subject: str = "",
    session_id: str = "",
    device_id: str = "",
) -> Beginning:
    """The beginning with these names; one that is empty names nothing."""
    keys = [key_of("token", token_id), key_of("client", client_id)]
    if session_id:
        keys.append(key_of("session", session_id))
    if subject:
        keys.append(key_of("subject", subject))
    if device_id:
        keys.append(_device_key(subject, device_id))
    return Beginning(started_at, started_revision, tuple(keys))


def _device_key(subject: str, device_id: str) -> Key:
    return key_of("device", subject + _SEPARATOR + device_id)


class RevocationView:
    """The revocations that have been applied to it, until they are forgotten.

    An entry ends what it names and began at a lower revision or an earlier moment than it says; for tokens and sessions
    that is always so. Of several the later one wins, in any order. A bucket is replaced and never changed, so that any
    thread may ask while another one applies.
    """

    def __init__(self) -> None:
        self._buckets = [b""] * _BUCKETS
        self._swept = 0
        self.size = 0

    def apply(self, revocation: pb.Revocation) -> None:
        """Take in an entry of the log; fails with NotUnderstoodError if it may end what this library cannot see."""
        key = _key_of(revocation)
        entry = _ENTRY.pack(key.name, _second_after(revocation.expires_at), *_covered_by(revocation))
        self._buckets[key.bucket] += entry
        self.size += 1

    def has_revoked(self, beginnings: Iterable[Beginning]) -> bool:
        """Whether an entry ends any of the `beginnings` of a token."""
        buckets = self._buckets
        for begun in beginnings:
            for name, number in begun.keys:
                bucket = buckets[number]
                if bucket and name in bucket and _is_covered(bucket, name, begun):
                    return True
        return False

    def forget(self, now: float) -> None:
        """Drop what ended before `now` (seconds since the epoch) and its grace, in the next 1/256 of all there is.

        What was dropped is not known any more if `now` goes back: it has to come from a clock that does not.
        """
        oldest = now - GRACE
        for number in range(self._swept, self._swept + _AT_ONCE):
            bucket = self._buckets[number]
            if bucket and any(expires_at < oldest for (expires_at,) in _EXPIRES_AT.iter_unpack(bucket)):
                kept = b"".join(_ENTRY.pack(*entry) for entry in _ENTRY.iter_unpack(bucket) if entry[1] >= oldest)
                self._buckets[number] = kept
                self.size -= (len(bucket) - len(kept)) // _ENTRY.size
        self._swept = (self._swept + _AT_ONCE) % _BUCKETS


def _is_covered(bucket: bytes, name: bytes, begun: Beginning) -> bool:
    place = bucket.find(name)
    while place >= 0:
        if place % _ENTRY.size == 0:
            revision, moment = _COVERS.unpack_from(bucket, place)
            if begun.started_revision < revision or begun.started_at < moment:
                return True
        place = bucket.find(name, place + 1)
    return False


def _key_of(revocation: pb.Revocation) -> Key:
    match revocation.WhichOneof("target"):
        case "token_id":
            return key_of("token", revocation.token_id)
        case "session_id":
            return key_of("session", revocation.session_id)
        case "subject":
            return key_of("subject", revocation.subject)
        case "device":
            return _device_key(revocation.device.subject, revocation.device.device_id)
        case "client_id":
            return key_of("client", revocation.client_id)
        case _:
            raise NotUnderstoodError(f"revision {revocation.revision} ends something that this library does not know")


def _covered_by(revocation: pb.Revocation) -> tuple[int, int]:
    """Below which revision, and before which moment, something has to begin so that it is ended."""
    if revocation.WhichOneof("target") in ("token_id", "session_id"):
        return _EVERYTHING, 0
    if revocation.HasField("issued_before"):
        return 0, max(0, _milliseconds_after(revocation.issued_before))
    return revocation.revision, 0


def _milliseconds_after(moment: Timestamp) -> int:
    return moment.seconds * 1000 - -moment.nanos // 1_000_000


def _second_after(moment: Timestamp) -> int:
    """When it can be forgotten, never too early; what does not say is kept."""
    return min(max(moment.seconds + 1, 0), _FOREVER) if moment.seconds else _FOREVER
