"""Owns what a new session or access token is given, and what a repeated Issue leads to."""

import json
from dataclasses import replace
from typing import Final

from tokensvc.domain import confirmation
from tokensvc.domain.bounds import MAX_NAME, MAX_TOKEN
from tokensvc.domain.client import Client
from tokensvc.domain.effects import AuditEvent, Effects, Refused
from tokensvc.domain.errors import Reason, invalid
from tokensvc.domain.policy import RefreshTokenFormat, TokenPolicy
from tokensvc.domain.session import Grant, Session, begin
from tokensvc.domain.value import value

# How much JSON a token has room for, in base64, beside what nobody asks for: header, signature, issuer, numbers.
_ROOM: Final = MAX_TOKEN * 3 // 4 - 1152
_LONGEST_ESCAPE: Final = 12  # bytes that a character takes at most
_LONGEST_NAME: Final = _LONGEST_ESCAPE * MAX_NAME + 32
_CONFIRMATION: Final = 96  # the claim cnf


@value(frozen=True, slots=True)
class Wishes:
    """What an Issue names of what the policy decides otherwise: empty or None where it leaves that open."""

    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    access_ttl: int | None = None
    refresh_ttl: int | None = None


@value(frozen=True, slots=True)
class Issued:
    """What Issue grants for an access token, and the session as it is kept, None for an access token alone."""

    grant: Grant
    session: Session | None


def lifetime(wanted: int | None, limit: int) -> int:
    """The wanted span, but never longer than the policy's."""
    return limit if wanted is None else min(wanted, limit)


def keeps_nothing(policy: TokenPolicy) -> bool:
    """Whether its sessions have no rows."""
    return policy.refresh_token_format is RefreshTokenFormat.STATELESS_JWT


def check_length(grant: Grant, *, is_stateless: bool) -> None:
    """Refuse what would be too long to be read back as a token; the field that is named takes the most room."""
    parts: dict[str, str | tuple[str, ...]] = {
        "subject": grant.subject,
        "scopes": grant.scopes,
        "audiences": grant.audiences,
        "device": (grant.device.id, *((grant.device.name, grant.device.platform) if is_stateless else ())),
        "acr": grant.acr,
        "amr": grant.amr,
        "context.location": grant.location if is_stateless else "",
    }
    if _LONGEST_ESCAPE * sum(map(_characters, (*parts.values(), grant.claims))) < _ROOM - 2 * _LONGEST_NAME:
        return  # as nearly always, without writing it down to see
    sizes = {name: len(json.dumps(value)) for name, value in parts.items()}
    # It stands in an access token as it is, in a stateless refresh token as a text.
    sizes["claims"] = len(json.dumps(grant.claims)) if is_stateless else len(grant.claims)
    room = _ROOM - len(grant.client_id) - (_CONFIRMATION if grant.confirmation else 0)
    if is_stateless:
        room -= _LONGEST_NAME  # the place that a later refresh may come from
    if sum(sizes.values()) > room:
        field = max(sizes, key=lambda name: sizes[name])
        raise invalid(field, f"the token would be too long; {field} takes the most of it")


def _characters(value: str | tuple[str, ...]) -> int:
    """How many there are, with two quotes and two separators for each text."""
    return len(value) + 4 if isinstance(value, str) else sum(map(len, value)) + 4 * len(value) + 4


def decide_issue(
    grant: Grant,
    wishes: Wishes,
    policy: TokenPolicy,
    caller: Client,
    existing: Session | None,
    *,
    barred: bool,
    ip: str = "",
) -> Effects[Issued | Refused]:
    """Decide on a new session; `ip` is where the user is, for the audit trail.

    `existing` is the row that an earlier Issue with the same idempotency key has made; `barred` says that a barrier has
    ended it since.
    """
    if existing is None:
        session = replace(begin(grant), is_stateless=keeps_nothing(policy))
        event = issued_event("session.issued", grant, caller, ip)
        return Effects(Issued(grant, session), session=session, audit=(event,))
    if not _is_same_request(existing.grant, grant, wishes):
        return Effects(
            Refused(Reason.INVALID_REQUEST, "idempotency_key was used for another request", "idempotency_key")
        )
    limited = existing.limited_by(policy)
    if barred or existing.generation or not limited.is_live(grant.started_at) or _is_wider(existing.grant, grant):
        return Effects(
            Refused(Reason.INVALID_REQUEST, "idempotency_key belongs to a session that has moved on", "idempotency_key")
        )
    event = issued_event("session.issue_retried", existing.grant, caller, ip)
    return Effects(Issued(limited.grant, existing), audit=(event,))


def _is_same_request(first: Grant, second: Grant, wishes: Wishes) -> bool:
    """Whether both ask for the same; when they asked, from where, and what the policy was then, may differ.

    Of what the policy has a part in, the first knows only what came of it. So what the second leaves open agrees with
    anything, and a span with each that is not longer.
    """
    is_within = (wishes.access_ttl is None or first.access_ttl <= wishes.access_ttl) and (
        wishes.refresh_ttl is None or first.expires_at - first.started_at <= wishes.refresh_ttl
    )
    return is_within and first == replace(
        second,
        scopes=second.scopes if wishes.scopes else first.scopes,
        audiences=second.audiences if wishes.audiences else first.audiences,
        started_at=first.started_at,
        started_revision=first.started_revision,
        expires_at=first.expires_at,
        idle_ttl=first.idle_ttl,
        access_ttl=first.access_ttl,
        login=first.login,
        location=first.location,
    )


def _is_wider(first: Grant, second: Grant) -> bool:
    """Whether the first has a scope or an audience that the policy has taken back since."""
    return not {*first.scopes} <= {*second.scopes} or not {*first.audiences} <= {*second.audiences}


def issued_event(kind: str, grant: Grant, caller: Client, ip: str) -> AuditEvent:
    """The audit event of an Issue; the key that the tokens are bound to is named by its thumbprint."""
    key = confirmation.to_claim(grant.confirmation) if grant.confirmation else {}
    return AuditEvent(
        kind,
        at=grant.started_at,
        caller=caller.client_id,
        client_id=grant.client_id,
        subject=grant.subject,
        session_id=grant.session_id,
        ip=ip,
        details={"scope": " ".join(grant.scopes), **key},
    )
