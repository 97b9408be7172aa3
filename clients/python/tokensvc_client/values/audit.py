"""Owns what the calls about the audit trail take and answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events: of this subject, client and session, of these types, in this time; all where nothing is said."""

    subject: str = ""
    client_id: str = ""
    session_id: str = ""
    types: tuple[str, ...] = ()
    from_time: datetime | None = None
    to_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that happened. `sequence` is its position in the trail, `chain_hash` links it to the event before.

    `caller` is the client that called, empty for an operator at the database; `client_id` the one that the token is
    for.
    """

    sequence: int
    time: datetime
    type: str
    caller: str
    client_id: str
    subject: str
    session_id: str
    reason: str
    ip: str
    details: Mapping[str, Any]
    chain_hash: bytes


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some events, newest first, and what names the next page: empty at the end. A page may be short though."""

    events: tuple[AuditEvent, ...]
    next_page_token: str
