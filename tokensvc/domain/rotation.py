"""Owns whether a refresh replaces the refresh token: the policies between every time and never."""

from tokensvc.domain.policy import Rotation, TokenPolicy
from tokensvc.domain.refresh_attempt import RefreshAttempt
from tokensvc.domain.session import Session


def rotates(policy: TokenPolicy, attempt: RefreshAttempt, session: Session) -> bool:
    """Whether `attempt`, which presents the session's present token, is answered with the next one."""
    match policy.rotation:
        case Rotation.ALWAYS | Rotation.GRACEFUL:
            return True
        case Rotation.NEVER:
            return session.grant.confirmation is None  # then whoever has stolen the token could go on using it
        case Rotation.PERIODIC:
            return attempt.now - session.rotated_at >= policy.rotation_interval
        case Rotation.SELECTIVE:
            return _is_at_risk(policy, attempt, session)


def _is_at_risk(policy: TokenPolicy, attempt: RefreshAttempt, session: Session) -> bool:
    """Another device or place than before, a subject that is marked, or a login that is long ago."""
    grant = session.grant
    # Nobody logs in after Issue: a caller's clock that is ahead must not put the interval off.
    login = grant.started_at if grant.auth_time is None else min(grant.auth_time, grant.started_at)
    return (
        attempt.now < attempt.flags.get(grant.subject, 0)
        or bool(attempt.device_id and grant.device_id and attempt.device_id != grant.device_id)
        or attempt.place.has_left(session.last_seen)
        or 0 < policy.rotation_interval <= attempt.now - login
    )
