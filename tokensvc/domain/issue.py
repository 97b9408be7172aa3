"""Owns what a new session or access token is given, and what a repeated Issue leads to."""

from dataclasses import dataclass, replace
from typing import Final

from tokensvc.domain.client import Client
from tokensvc.domain.effects import AuditEvent, Effects, Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.session import Grant, Session, begin

MOVED_ON: Final = Refused(
    Reason.INVALID_REQUEST, "idempotency_key belongs to a session that has moved on", "idempotency_key"
)


@dataclass(frozen=True, slots=True)
class Issued:
    """What Issue grants; `session` is None for an access token alone."""

    grant: Grant
    session: Session | None


def lifetime(wanted: int | None, limit: int) -> int:
    """The wanted span, but never longer than the policy's."""
    return limit if wanted is None else min(wanted, limit)


def decide_issue(
    grant: Grant, caller: Client, existing: Session | None, *, barred: bool, ip: str = "", is_stateless: bool = False
) -> Effects[Issued | Refused]:
    """Decide on a new session; `ip` is where the user is, for the audit trail.

    `existing` is the row that an earlier Issue with the same idempotency key has made; `barred` says that a barrier has
    ended it since.
    """
    if existing is None:
        session = replace(begin(grant), is_stateless=is_stateless)
        event = issued_event("session.issued", grant, caller, ip)
        return Effects(Issued(grant, session), session=session, audit=(event,))
    if not _is_same_request(existing.grant, grant):
        return Effects(
            Refused(Reason.INVALID_REQUEST, "idempotency_key was used for another request", "idempotency_key")
        )
    if barred or existing.generation or not existing.is_live(grant.started_at):
        return Effects(MOVED_ON)
    event = issued_event("session.issue_retried", existing.grant, caller, ip)
    return Effects(Issued(existing.grant, existing), audit=(event,))


def _is_same_request(first: Grant, second: Grant) -> bool:
    """Whether both ask for the same; when they asked, and from where, may differ."""
    return first == replace(
        second,
        started_at=first.started_at,
        started_revision=first.started_revision,
        expires_at=second.expires_at - second.started_at + first.started_at,
        login=first.login,
        location=first.location,
    )


def issued_event(kind: str, grant: Grant, caller: Client, ip: str) -> AuditEvent:
    """The audit event of an Issue."""
    return AuditEvent(
        kind,
        at=grant.started_at,
        caller=caller.client_id,
        client_id=grant.client_id,
        subject=grant.subject,
        session_id=grant.session_id,
        ip=ip,
        details={"scope": " ".join(grant.scopes)},
    )
