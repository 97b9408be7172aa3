"""Owns how domain values are written as rows and read back. What is absent from a JSON document has its default."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import RowMapping

from tokensvc.domain import confirmation
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.keys import KeyPurpose, KeyState, StoredKey
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.session import Device, Grant, Session, Traces
from tokensvc.ports import AuditRecord
from tokensvc.store.dialects import digest_bytes

# Session fields that change after Issue, each with a column of its own.
CHANGING = (
    "generation",
    "rotated_at",
    "used_at",
    "retry_window",
    "revoked_at",
    "revoke_reason",
    "last_seen",
    "last_location",
)


def session_row(session: Session) -> tuple[Any, ...]:
    """The values of `session` in the order of the table's columns."""
    grant = session.grant
    return (
        grant.started_at,
        session.rotated_at,
        session.used_at,
        grant.expires_at,
        grant.started_revision,
        grant.idle_ttl,
        session.revoked_at,
        session.generation,
        session.retry_window,
        grant.access_ttl,
        grant.session_id,
        grant.subject,
        grant.client_id,
        grant.device_id,
        session.revoke_reason,
        " ".join(grant.scopes),
        " ".join(grant.audiences),
        _grant_details(grant),
        _traces_text(session.last_seen),
        session.last_location,
    )


def changing_values(session: Session) -> tuple[Any, ...]:
    """The values of what changes, in the order of CHANGING."""
    return (
        session.generation,
        session.rotated_at,
        session.used_at,
        session.retry_window,
        session.revoked_at,
        session.revoke_reason,
        _traces_text(session.last_seen),
        session.last_location,
    )


def session_from(row: Sequence[Any]) -> Session:
    """The session in `row`, which has the table's columns in their order."""
    started_at, rotated_at, used_at, expires_at, started_revision, idle_ttl, revoked_at, generation = row[:8]
    retry_window, access_ttl, session_id, subject, client_id, device_id, revoke_reason = row[8:15]
    scopes, audiences, details, last_seen, last_location = row[15:]
    grant = Grant(
        session_id,
        client_id,
        subject,
        tuple(scopes.split()),
        tuple(audiences.split()),
        started_at,
        started_revision,
        expires_at,
        idle_ttl,
        access_ttl,
        **_details_from(details, device_id),
    )
    return Session(
        grant,
        generation,
        rotated_at,
        used_at,
        retry_window,
        revoked_at,
        revoke_reason,
        _traces_from(last_seen),
        last_location,
    )


def _grant_details(grant: Grant) -> str:
    """What few sessions have: a document of what differs from its default, empty if nothing does."""
    details: dict[str, Any] = {
        "device": _given(name=grant.device.name, platform=grant.device.platform),
        "login": _traces_text(grant.login),
        "location": grant.location,
        "auth_time": grant.auth_time,
        "acr": grant.acr,
        "amr": grant.amr,
        "claims": grant.claims,
        "credential_digest": grant.credential_digest,
        "cnf": confirmation.to_claim(grant.confirmation) if grant.confirmation else None,
    }
    present = {name: value for name, value in details.items() if value not in (None, "", {}, ())}
    return document(present) if present else ""


def _details_from(text: str, device_id: str) -> dict[str, Any]:
    details = json.loads(text) if text else {}
    if "amr" in details:
        details["amr"] = tuple(details["amr"])
    if "login" in details:
        details["login"] = _traces_from(details["login"])
    if "context" in details:  # as versions wrote it that kept address and user agent in clear
        details["location"] = details.pop("context").get("location", "")
    if "cnf" in details:
        details["confirmation"] = confirmation.from_claim(details.pop("cnf"))
    if device_id or "device" in details:
        details["device"] = Device(device_id, **details.pop("device", {}))
    return details


def _traces_text(traces: Traces) -> str:
    return f"{traces.ip}~{traces.user_agent}" if traces.ip or traces.user_agent else ""


def _traces_from(text: str) -> Traces:
    ip, _, user_agent = text.partition("~")
    return Traces(ip, user_agent)


def _given(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def log_row(entry: LogEntry) -> tuple[Any, ...]:
    """The values of `entry` in the order of the table's columns."""
    return (entry.revision, int(entry.kind), entry.key, entry.at, entry.expires_at, entry.issued_before, entry.reason)


def log_entry_from(row: Sequence[Any]) -> LogEntry:
    """The log entry in `row`, which has the table's columns in their order."""
    revision, kind, key, at, expires_at, issued_before, reason = row
    return LogEntry(EntryKind(kind), key, at, expires_at, issued_before, reason, revision=revision)


def audit_row(event: AuditEvent) -> tuple[Any, ...]:
    """The values of `event` in the order of the table's columns, without its number and its place in a chain."""
    return (
        event.at,
        event.type,
        event.caller,
        event.client_id,
        event.subject,
        event.session_id,
        event.reason,
        event.ip,
        document(event.details),
    )


def audit_record_from(row: Sequence[Any]) -> AuditRecord:
    """The audit event in `row`, which has the table's columns in their order."""
    sequence, at, kind, caller, client_id, subject, session_id, reason, ip, details, _chain, _position, digest = row
    event = AuditEvent(kind, at, caller, client_id, subject, session_id, reason, ip, json.loads(details))
    return AuditRecord(sequence, event, digest_bytes(digest) if digest else b"")


def key_from(row: RowMapping) -> StoredKey:
    """The key in `row`."""
    return StoredKey(
        row["key_id"],
        KeyPurpose(row["purpose"]),
        row["algorithm"],
        created_at=row["created_at"],
        activates_at=row["activates_at"],
        wrapped=row["wrapped"],
        public_jwk=row["public_jwk"],
        retires_at=row["retires_at"],
    )


def key_row(key: StoredKey) -> dict[str, Any]:
    """The values of `key` by column."""
    return asdict(key) | {"state": KeyState.ACTIVE}


def document(values: Mapping[str, Any]) -> str:
    """JSON, as it is kept in a column."""
    return orjson.dumps(values).decode()
