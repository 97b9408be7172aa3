"""Owns the revocation log: what stands in it, and what an entry ends."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.testing.moments import milliseconds_in

Origin = Mapping[str, Any]
"""The beginning of a token in its claims: `jti`, `sid`, `sub`, `device_id`, `client_id`, `orig_iat` and `rev`."""


@dataclass(frozen=True)
class LogEntry:
    """One revision: a revocation, or a change of clients or keys, which ends nothing of itself."""

    revision: int
    revocation: pb.Revocation | None = None
    changes_keys: bool = False


class RevocationLog:
    """The log. Its revisions have no gaps."""

    def __init__(self) -> None:
        self._entries: list[LogEntry] = []

    @property
    def revision(self) -> int:
        """The last revision."""
        return len(self._entries)

    def add(self, revocation: pb.Revocation | None = None, *, changes_keys: bool = False) -> int:
        """Append an entry; answer its revision."""
        revision = self.revision + 1
        if revocation is not None:
            revocation.revision = revision
        self._entries.append(LogEntry(revision, revocation, changes_keys))
        return revision

    def behind(self, revision: int) -> list[LogEntry]:
        """The entries that follow `revision`."""
        return self._entries[revision:]

    def live(self, now: int) -> list[pb.Revocation]:
        """The revocations that can still concern an access token."""
        return [one for one in self._revocations() if one.expires_at.ToMilliseconds() > now]

    def ends(self, origin: Origin) -> bool:
        """Whether an entry ends what has begun as `origin` says."""
        return any(_ends(one, origin) for one in self._revocations())

    def _revocations(self) -> Iterator[pb.Revocation]:
        return (entry.revocation for entry in self._entries if entry.revocation is not None)


def _ends(revocation: pb.Revocation, origin: Origin) -> bool:
    """As the proto's message Revocation says it."""
    match revocation.WhichOneof("target"):
        case "token_id":
            return revocation.token_id == origin.get("jti")
        case "session_id":
            return revocation.session_id == origin.get("sid")
        case "subject":
            names = revocation.subject == origin.get("sub")
        case "device":
            device = revocation.device
            names = (device.subject, device.device_id) == (origin.get("sub"), origin.get("device_id"))
        case _:
            names = revocation.client_id == origin["client_id"]
    if not names:
        return False
    issued_before = milliseconds_in(revocation, "issued_before")
    if issued_before is None:
        return int(origin["rev"]) < revocation.revision
    return round(float(origin["orig_iat"]) * 1000) < issued_before
