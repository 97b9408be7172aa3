"""Owns how many sessions a subject may have with a client, and what gives way to one more."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tokensvc.domain.effects import AuditEvent, Effects, Refused
from tokensvc.domain.ending import end
from tokensvc.domain.errors import Reason
from tokensvc.domain.issue import Issued
from tokensvc.domain.policy import SessionLimitAction, TokenPolicy
from tokensvc.domain.revocation import OWN_REASON
from tokensvc.domain.session import Session

LIMIT: Final = f"{OWN_REASON}too many sessions"


def within_limit(
    issuing: Effects[Issued | Refused], policy: TokenPolicy, live: Sequence[Session]
) -> Effects[Issued | Refused]:
    """What `issuing` leads to where the subject has the sessions `live` already, without the one that it begins.

    The sessions that began first end for it, or it is refused, as the policy says. Nothing happens where none is begun:
    at a repeated Issue, or a refused one.
    """
    if issuing.session is None or not policy.max_sessions or len(live) < policy.max_sessions:
        return issuing
    if policy.session_limit_action is SessionLimitAction.REFUSE:
        return Effects(Refused(Reason.SESSION_LIMIT_REACHED, "the subject has as many sessions as it may have"))
    now, issued = issuing.session.grant.started_at, issuing.audit[0]
    first = sorted(live, key=lambda session: (session.grant.started_at, session.grant.session_id))
    endings = [end(session, now, LIMIT) for session in first[: len(live) - policy.max_sessions + 1]]
    return replace(
        issuing,
        ended=tuple(session for session, _ in endings),
        log=tuple(entry for _, entry in endings),
        audit=(*issuing.audit, *(_ended_event(issued, session) for session, _ in endings)),
    )


def _ended_event(issued: AuditEvent, session: Session) -> AuditEvent:
    """Says which session has given way to the one of `issued`."""
    return replace(
        issued,
        type="session.limit_ended",
        session_id=session.grant.session_id,
        reason=LIMIT,
        details={"for": issued.session_id},
    )
