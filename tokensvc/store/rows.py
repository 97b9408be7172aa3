"""Owns how domain values are written as rows and read back. What is absent from a JSON document has its default."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import RowMapping

from tokensvc.domain import confirmation
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.keys import KeyPurpose, KeyState, StoredKey
from tokensvc.domain.policy import DEFAULT_POLICY
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.session import Device, Grant, Session, Traces
from tokensvc.ports import AuditRecord
from tokensvc.store import authentication_rows, policy_rows
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


_CLIENT_DETAILS = frozenset(
    {"name", "permissions", "acts_for", "audiences", "policy", "previous_secret", "retries_from", "auth_method", "keys"}
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
    return _document(present) if present else ""


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


def client_row(client: Client) -> dict[str, Any]:
    """The values of `client` by column."""
    details: dict[str, Any] = {
        "name": client.name,
        "permissions": sorted(client.permissions),
        "acts_for": sorted(client.acts_for),
        "audiences": sorted(client.audiences),
        "policy": asdict(client.policy),
    } | authentication_rows.authentication_document(client)
    if client.retries_from:
        details["retries_from"] = client.retries_from
    if client.previous_secret_hash is not None:
        details["previous_secret"] = {
            "hash": client.previous_secret_hash.hex(),
            "expires_at": client.previous_expires_at,
        }
    return {
        "client_id": client.client_id,
        "secret_hash": client.secret_hash,
        "disabled": client.disabled,
        "details": _document(details),
        "created_at": client.created_at,
        "updated_at": client.updated_at,
    }


def client_from(row: RowMapping) -> Client:
    """The client in `row`; what this version does not know is left out, and the client is not complete then.

    One whose policy makes a choice that this version does not know is disabled here.
    """
    details = json.loads(row["details"])
    named = set(details.get("permissions", ()))
    previous = details.get("previous_secret", {"hash": "", "expires_at": 0})
    document = details.get("policy", {})
    try:
        policy, has_known_choices = policy_rows.policy_from(document), True
    except ValueError:
        policy, has_known_choices = DEFAULT_POLICY, False
    is_all_known = (
        policy_rows.is_known(document)
        and authentication_rows.is_known(details)
        and named <= set(Permission)
        and details.keys() <= _CLIENT_DETAILS
    )
    return Client(
        row["client_id"],
        name=details.get("name", ""),
        disabled=bool(row["disabled"]) or not has_known_choices,
        previous_secret_hash=bytes.fromhex(previous["hash"]) or None,
        previous_expires_at=previous["expires_at"],
        permissions=frozenset(permission for permission in Permission if permission in named),
        acts_for=frozenset(details.get("acts_for", ())),
        audiences=frozenset(details.get("audiences", ())),
        policy=policy,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        is_complete=has_known_choices and is_all_known,
        retries_from=details.get("retries_from", 0),
        **authentication_rows.authentication_from(details, row["secret_hash"]),
    )


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
        _document(event.details),
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


def _document(values: Mapping[str, Any]) -> str:
    return orjson.dumps(values).decode()
