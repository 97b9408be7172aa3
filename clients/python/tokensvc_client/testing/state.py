"""Owns everything that the fake knows, under one lock, and what a session is."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from google.protobuf import json_format
from tokensvc_pb.v1 import audit_service_pb2 as audit_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.testing.clients import Client, Clients
from tokensvc_client.testing.clock import FakeClock
from tokensvc_client.testing.keys import KeyRing
from tokensvc_client.testing.moments import timestamp
from tokensvc_client.testing.refresh_token import RefreshTokenKey
from tokensvc_client.testing.revocations import RevocationLog

LONGEST_ACCESS_TTL: Final = 24 * 60 * 60 * 1000
FIRST_NUMBER: Final = 1
"""Of no audit event: whoever has seen none yet goes on behind it."""


@dataclass(frozen=True)
class Grant:
    """What Issue fixed: the `request` with the scopes and audiences that were given. Times in milliseconds.

    `started_revision` is where the revocation log was then: a revocation behind it ends what has begun here.
    """

    session_id: str
    client_id: str
    request: pb.IssueRequest
    scopes: list[str]
    audiences: list[str]
    started_at: int
    started_revision: int
    access_ttl: int
    idle_ttl: int
    expires_at: int

    def origin(self) -> dict[str, Any]:
        """The claims by which revocations know it; those without a value are left out."""
        claims = {
            "client_id": self.client_id,
            "orig_iat": self.started_at / 1000,
            "rev": self.started_revision,
            "sub": self.request.subject,
            "sid": self.session_id,
            "device_id": self.request.device.id,
        }
        return {name: value for name, value in claims.items() if value != ""}


@dataclass
class Session:
    """A grant and what becomes of it: `generation` names the one refresh token that is good."""

    grant: Grant
    rotated_at: int
    used_at: int
    retry_window: int
    generation: int = 0
    revoked_at: int | None = None
    revoke_reason: str = ""
    last_location: str = ""

    def expires_at(self, client: Client) -> int:
        """When it ends whatever happens, under the policy of its client as it is now."""
        return min(self.grant.expires_at, self.grant.started_at + client.refresh_absolute_ttl)

    def idle_expires_at(self, client: Client) -> int:
        """When it ends unless it is used before."""
        return min(self.used_at + min(self.grant.idle_ttl, client.refresh_idle_ttl), self.expires_at(client))

    def is_expired(self, client: Client, now: int) -> bool:
        """Whether its idle or its absolute lifetime is over."""
        return now >= self.idle_expires_at(client)


@dataclass
class State:
    """What there is. Whoever reads or writes it holds `lock`, on which those wait who wait for a change."""

    clock: FakeClock
    issuer: str
    keys: KeyRing
    clients: Clients = field(default_factory=Clients)
    refresh_tokens: RefreshTokenKey = field(default_factory=RefreshTokenKey)
    sessions: dict[str, Session] = field(default_factory=dict)
    log: RevocationLog = field(default_factory=RevocationLog)
    audit: list[audit_pb.AuditEvent] = field(default_factory=list)
    marks: dict[str, int | None] = field(default_factory=dict)
    """Subjects at risk, each until when; None is until further notice."""
    lock: threading.Condition = field(default_factory=threading.Condition)

    @property
    def now(self) -> int:
        """The present moment in milliseconds."""
        return self.clock.milliseconds

    def live_client(self, client_id: str) -> Client | None:
        """The client, None if it does not exist or is disabled: then nothing issued for it is good."""
        client = self.clients.find(client_id)
        return None if client is None or client.message.disabled else client

    def is_revoked(self, session: Session) -> bool:
        """Whether the session was ended, by itself or through its subject, device or client."""
        return session.revoked_at is not None or self.log.ends(session.grant.origin())

    def end_session(self, session: Session, reason: str) -> int:
        """End a session and its access tokens; answer the revision that did."""
        session.revoked_at, session.revoke_reason = self.now, reason
        ended = pb.Revocation(session_id=session.grant.session_id)
        return self.revoke(ended, reason, self.now + session.grant.access_ttl)

    def revoke(self, revocation: pb.Revocation, reason: str, expires_at: int) -> int:
        """Append to the log; answer the revision."""
        revocation.reason = reason
        revocation.revoked_at.CopyFrom(timestamp(self.now))
        revocation.expires_at.CopyFrom(timestamp(expires_at))
        return self.log.add(revocation)

    def record(self, kind: str, **fields: Any) -> None:
        """Append to the audit trail."""
        last = self.audit[-1] if self.audit else audit_pb.AuditEvent(sequence=FIRST_NUMBER)
        event = audit_pb.AuditEvent(sequence=last.sequence + 1, time=timestamp(self.now), type=kind, **fields)
        event.chain_hash = sha256(last.chain_hash + event.SerializeToString(deterministic=True)).digest()
        self.audit.append(event)

    def record_session(self, kind: str, caller: Client, grant: Grant, *, ip: str = "", reason: str = "") -> None:
        """Append what has happened to a grant."""
        self.record(
            kind,
            caller=caller.client_id,
            client_id=grant.client_id,
            subject=grant.request.subject,
            session_id=grant.session_id,
            ip=ip,
            reason=reason,
        )


def json_of(message: Any) -> Mapping[str, Any]:
    """The JSON object in a Struct, whose whole numbers are integers again."""
    found: Mapping[str, Any] = _whole(json_format.MessageToDict(message))
    return found


def _whole(value: Any) -> Any:
    match value:
        case dict():
            return {name: _whole(member) for name, member in value.items()}
        case list():
            return [_whole(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value
