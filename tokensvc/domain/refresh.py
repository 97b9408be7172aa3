"""Owns what a presented refresh token leads to: the one decision behind every Refresh."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tokensvc.domain.client import Client
from tokensvc.domain.effects import AuditEvent, Effects, Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.grants import narrow_audiences, narrow_scopes
from tokensvc.domain.policy import BindingAction
from tokensvc.domain.refresh_token import MAX_GENERATION, RefreshToken, bound_digest
from tokensvc.domain.revocation import OWN_REASON, EntryKind, LogEntry
from tokensvc.domain.session import ClientContext, Session

REUSE = f"{OWN_REASON}refresh token reused"


REUSED = Refused(Reason.REFRESH_TOKEN_REUSED, "a consumed refresh token was presented: the session has been ended")


@dataclass(frozen=True, slots=True)
class RefreshAttempt:
    """A Refresh whose token is genuine: what was presented, by whom, and when. Empty values were not given.

    `issuer` is the audience of clients whose policy names none.
    """

    token: RefreshToken
    caller: Client
    now: int
    client_id: str = ""
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    device_id: str = ""
    credential_version: str = field(default="", repr=False)
    context: ClientContext = ClientContext()
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What the caller gets: the session as it is now, and the scopes and audiences of this access token."""

    session: Session
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]


def decide_refresh(
    attempt: RefreshAttempt, session: Session | None, clients: Mapping[str, Client], *, barred: bool
) -> Effects[Refreshed | Refused]:
    """Decide `attempt` on the session's row as it is now.

    `barred` says that a barrier of the session's subject, device or client covers it. The order is part of the
    contract: each check reveals something only to whom the one before it has let pass. A refusal changes nothing, but
    for reuse, which ends the session (RFC 9700, 4.14.2).
    """
    if session is None:
        return Effects(Refused(Reason.REFRESH_TOKEN_INVALID, "the refresh token is not valid"))
    client = clients.get(session.grant.client_id)
    if not _may_hold(attempt, session):
        return Effects(Refused(Reason.CLIENT_MISMATCH, "the refresh token belongs to another client"))
    if client is None or client.disabled:
        return Effects(Refused(Reason.CLIENT_DISABLED, "the client of the refresh token is disabled"))
    refusal = _refuse_dead(attempt, session, barred=barred) or _refuse_binding(attempt, session, client)
    if refusal is not None:
        return Effects(refusal)
    # What the client's policy no longer allows is not handed out again, though the grant has it.
    scopes = narrow_scopes(attempt.scopes, [s for s in session.grant.scopes if s in client.policy.scopes])
    allowed = client.policy.audiences or (attempt.issuer,)
    audiences = narrow_audiences(attempt.audiences, [a for a in session.grant.audiences if a in allowed])
    if isinstance(scopes, Refused):
        return Effects(scopes)
    if isinstance(audiences, Refused):
        return Effects(audiences)
    return _by_generation(attempt, session, Refreshed(session, scopes, audiences), client.policy.retry_window)


def _may_hold(attempt: RefreshAttempt, session: Session) -> bool:
    client_id = session.grant.client_id
    return attempt.client_id in ("", client_id) and attempt.caller.may_act_for(client_id)


def _refuse_dead(attempt: RefreshAttempt, session: Session, *, barred: bool) -> Refused | None:
    if session.revoke_reason == REUSE and attempt.token.generation < session.generation:
        return REUSED  # the same answer for all who present a consumed token at once, whoever comes first
    if session.revoked_at is not None or barred:
        return Refused(Reason.REFRESH_TOKEN_REVOKED, "the session was revoked")
    if session.is_expired(attempt.now):
        return Refused(Reason.REFRESH_TOKEN_EXPIRED, "the session has expired")
    return None


def _refuse_binding(attempt: RefreshAttempt, session: Session, client: Client) -> Refused | None:
    """Judged before the generation: who lacks the phone cannot trip reuse detection."""
    if client.policy.binding.device is BindingAction.REJECT and attempt.device_id != session.grant.device_id:
        return Refused(Reason.BINDING_MISMATCH, "the session is bound to another device")
    if session.grant.credential_digest and attempt.credential_version:
        presented = bound_digest(attempt.token.handle, "credential_version", attempt.credential_version)
        if not hmac.compare_digest(presented, session.grant.credential_digest):
            return Refused(Reason.CREDENTIAL_CHANGED, "the user's credentials have changed")
    return None


def _by_generation(
    attempt: RefreshAttempt, session: Session, answer: Refreshed, retry_window: int
) -> Effects[Refreshed | Refused]:
    behind = session.generation - attempt.token.generation
    if behind == 0:
        return _rotate(attempt, session, answer, retry_window, "session.refreshed")
    if behind < 0:
        # Our MAC proves that this token was issued: the row has lost writes, as after a failover to a late replica.
        return _rotate(attempt, session, answer, retry_window, "session.generation_healed")
    # Either side of the rotation, because the clocks of two nodes differ; a window of zero holds nothing.
    if behind == 1 and abs(attempt.now - session.rotated_at) < min(session.retry_window, retry_window):
        return Effects(answer, audit=(_event("session.refresh_retried", attempt, session),))
    return _end_family(attempt, session)


def _rotate(
    attempt: RefreshAttempt, session: Session, answer: Refreshed, retry_window: int, event: str
) -> Effects[Refreshed | Refused]:
    if attempt.token.generation >= MAX_GENERATION:
        return Effects(Refused(Reason.REFRESH_TOKEN_EXPIRED, "the session has expired"))
    rotated = replace(
        session,
        generation=attempt.token.generation + 1,
        rotated_at=attempt.now,
        used_at=attempt.now,
        retry_window=retry_window,
    )
    return Effects(replace(answer, session=rotated), session=rotated, audit=(_event(event, attempt, rotated),))


def _end_family(attempt: RefreshAttempt, session: Session) -> Effects[Refreshed | Refused]:
    ended = replace(session, revoked_at=attempt.now, revoke_reason=REUSE)
    return Effects(
        REUSED,
        session=ended,
        log=(session_entry(session, attempt.now, REUSE),),
        audit=(_event("session.reuse_detected", attempt, session),),
    )


def session_entry(session: Session, now: int, reason: str) -> LogEntry:
    """The log entry that ends a session's access tokens; needed until the last of them has expired."""
    return LogEntry(
        EntryKind.SESSION, session.grant.session_id, at=now, expires_at=now + session.grant.access_ttl, reason=reason
    )


def _event(kind: str, attempt: RefreshAttempt, session: Session) -> AuditEvent:
    return AuditEvent(
        kind,
        at=attempt.now,
        caller=attempt.caller.client_id,
        client_id=session.grant.client_id,
        subject=session.grant.subject,
        session_id=session.grant.session_id,
        ip=attempt.context.ip,
        details={"generation": session.generation, "presented": attempt.token.generation},
    )
