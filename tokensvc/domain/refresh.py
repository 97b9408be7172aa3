"""Owns what a presented refresh token leads to: the one decision behind every Refresh."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from tokensvc.domain.binding import Verdict, judge
from tokensvc.domain.client import Client
from tokensvc.domain.effects import AuditEvent, Effects, Refused
from tokensvc.domain.ending import end
from tokensvc.domain.errors import Reason
from tokensvc.domain.grants import narrow_audiences, narrow_scopes
from tokensvc.domain.policy import BindingAction, TokenPolicy
from tokensvc.domain.possession import refusal_of
from tokensvc.domain.refresh_attempt import RefreshAttempt
from tokensvc.domain.refresh_token import MAX_GENERATION
from tokensvc.domain.revocation import OWN_REASON
from tokensvc.domain.rotation import rotates
from tokensvc.domain.session import Session, Traces
from tokensvc.domain.value import value

REUSE = f"{OWN_REASON}refresh token reused"
BINDING = f"{OWN_REASON}binding differs"

REUSED = Refused(Reason.REFRESH_TOKEN_REUSED, "a consumed refresh token was presented: the session has been ended")


class _Narrowed(NamedTuple):
    """What the access token is for."""

    scopes: tuple[str, ...]
    audiences: tuple[str, ...]


@value(frozen=True, slots=True)
class Refreshed:
    """What the caller gets: the session as it is kept now, and the scopes and audiences of this access token.

    `policy` is the one that it was decided by: the session lives as long as that allows.
    """

    session: Session
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    policy: TokenPolicy


def decide_refresh(
    attempt: RefreshAttempt, session: Session | None, clients: Mapping[str, Client], *, barred: bool
) -> Effects[Refreshed | Refused]:
    """Decide `attempt` on the session's row as it is now.

    `barred` says that a barrier of the session's subject, device or client covers it. The order is part of the
    contract: each check reveals something only to whom the one before it has let pass. A refusal changes nothing, but
    for reuse (RFC 9700, 4.14.2), and a binding whose policy says so: these end the session.
    """
    if session is None:
        return Effects(Refused(Reason.REFRESH_TOKEN_INVALID, "the refresh token is not valid"))
    client = clients.get(session.grant.client_id)
    if not _may_hold(attempt, session):
        return Effects(Refused(Reason.CLIENT_MISMATCH, "the refresh token belongs to another client"))
    if client is None or client.disabled:
        return Effects(Refused(Reason.CLIENT_DISABLED, "the client of the refresh token is disabled"))
    if (refusal := _refuse_session(attempt, session, client.policy, barred=barred)) is not None:
        return Effects(refusal)
    # Judged before the generation: who lacks the phone cannot trip reuse detection.
    verdict = judge(attempt, session.grant, client.policy.binding)
    action = verdict.action
    if action is BindingAction.END_SESSION:
        event = _binding_event("session.binding_ended", attempt, session, verdict)
        return _end(attempt, session, verdict.refusal(), BINDING, event)
    if action is BindingAction.REJECT:
        return Effects(verdict.refusal())
    narrowed = _narrowed(attempt, session, client.policy)
    if isinstance(narrowed, Refused):
        return Effects(narrowed)
    effects = _by_generation(attempt, session, narrowed, client)
    if action is BindingAction.AUDIT:
        event = _binding_event("session.binding_differed", attempt, session, verdict)
        effects = replace(effects, audit=(*effects.audit, event))
    return effects


def _may_hold(attempt: RefreshAttempt, session: Session) -> bool:
    client_id = session.grant.client_id
    return attempt.client_id in ("", client_id) and attempt.caller.may_act_for(client_id)


def _refuse_session(attempt: RefreshAttempt, session: Session, policy: TokenPolicy, *, barred: bool) -> Refused | None:
    if session.revoke_reason == REUSE and attempt.token.generation < session.generation:
        return REUSED  # the same answer for all who present a consumed token at once, whoever comes first
    if session.revoked_at is not None or barred:
        return Refused(Reason.REFRESH_TOKEN_REVOKED, "the session was revoked")
    if session.limited_by(policy).is_expired(attempt.now):
        return Refused(Reason.REFRESH_TOKEN_EXPIRED, "the session has expired")
    # Judged before where the call comes from, which may end the session: who lacks the key ends nothing.
    return refusal_of(attempt.possession, session.grant.confirmation, policy.sender_constraint)


def _narrowed(attempt: RefreshAttempt, session: Session, policy: TokenPolicy) -> _Narrowed | Refused:
    """What is asked for, if the grant has it; what the policy no longer allows is not handed out again."""
    scopes = narrow_scopes(attempt.scopes, [scope for scope in session.grant.scopes if scope in policy.scopes])
    allowed = policy.audiences or (attempt.issuer,)
    audiences = narrow_audiences(attempt.audiences, [one for one in session.grant.audiences if one in allowed])
    if isinstance(scopes, Refused):
        return scopes
    return audiences if isinstance(audiences, Refused) else _Narrowed(scopes, audiences)


def _by_generation(
    attempt: RefreshAttempt, session: Session, narrowed: _Narrowed, client: Client
) -> Effects[Refreshed | Refused]:
    policy, behind = client.policy, session.generation - attempt.token.generation
    if behind == 0:
        if rotates(policy, attempt, session):
            return _rotate(attempt, session, narrowed, policy, "session.refreshed")
        used = _used(attempt, session, policy, rotated=False)
        # A token that is kept is retried too: who comes so soon after the last use, and from elsewhere, may be another.
        is_retry = abs(attempt.now - session.used_at) < policy.tolerance
        refreshed = _event("session.refreshed", attempt, used)
        audit = _noting_two_places(attempt, session, refreshed) if is_retry else (refreshed,)
        return Effects(Refreshed(used, *narrowed, policy), session=used, audit=audit)
    if behind < 0:
        # Our MAC proves that this token was issued: the row has lost writes, as after a failover to a late replica.
        return _rotate(attempt, session, narrowed, policy, "session.generation_healed")
    # Either side of the rotation, because the clocks of two nodes differ; a window of zero holds nothing. The window is
    # the policy's now and then, and what was out of it under a policy in between stays consumed.
    window = min(session.retry_window, policy.tolerance) if session.rotated_at >= client.retries_from else 0
    if behind == 1 and abs(attempt.now - session.rotated_at) < window:
        retried = _event("session.refresh_retried", attempt, session)
        return Effects(Refreshed(session, *narrowed, policy), audit=_noting_two_places(attempt, session, retried))
    return _end(attempt, session, REUSED, REUSE, _event("session.reuse_detected", attempt, session))


def _rotate(
    attempt: RefreshAttempt, session: Session, narrowed: _Narrowed, policy: TokenPolicy, event: str
) -> Effects[Refreshed | Refused]:
    if attempt.token.generation >= MAX_GENERATION:
        return Effects(Refused(Reason.REFRESH_TOKEN_EXPIRED, "the session has expired"))
    rotated = _used(attempt, session, policy, rotated=True)
    return Effects(Refreshed(rotated, *narrowed, policy), session=rotated, audit=(_event(event, attempt, rotated),))


def _used(attempt: RefreshAttempt, session: Session, policy: TokenPolicy, *, rotated: bool) -> Session:
    """The session after a refresh: what is not known of this one's origin stays as it was."""
    seen, before = attempt.place.traces(policy.binding), session.last_seen
    return Session(
        session.grant,
        attempt.token.generation + 1 if rotated else session.generation,
        attempt.now if rotated else session.rotated_at,
        attempt.now,
        policy.tolerance if rotated else session.retry_window,
        session.revoked_at,
        session.revoke_reason,
        Traces(seen.ip or before.ip, seen.user_agent or before.user_agent),
        attempt.context.location or session.last_location,
        session.is_stateless,
    )


def _noting_two_places(attempt: RefreshAttempt, session: Session, event: AuditEvent) -> tuple[AuditEvent, ...]:
    """A retry from elsewhere is answered, because networks change, but one token at two places is worth a note."""
    if not attempt.place.has_left(session.last_seen):
        return (event,)
    return event, replace(event, type="suspicion.parallel_refresh")


def _end(
    attempt: RefreshAttempt, session: Session, refusal: Refused, reason: str, event: AuditEvent
) -> Effects[Refreshed | Refused]:
    """End the family."""
    ended, entry = end(session, attempt.now, reason)
    return Effects(refusal, session=ended, log=(entry,), audit=(event,))


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


def _binding_event(kind: str, attempt: RefreshAttempt, session: Session, verdict: Verdict) -> AuditEvent:
    event = _event(kind, attempt, session)
    return replace(event, details={**event.details, "differs": verdict.differs})
