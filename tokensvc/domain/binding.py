"""Owns to what a session is bound, and what follows when a refresh comes from elsewhere."""

import hmac
from dataclasses import dataclass

from tokensvc.domain.effects import Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.policy import BindingAction, BindingPolicy
from tokensvc.domain.refresh_attempt import RefreshAttempt
from tokensvc.domain.refresh_token import bound_digest
from tokensvc.domain.session import Grant

_SEVERITY = (BindingAction.IGNORE, BindingAction.AUDIT, BindingAction.REJECT, BindingAction.END_SESSION)
_CREDENTIAL = "credential_version"
_COMPARED = ("device", "ip", "user_agent", _CREDENTIAL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which bound values differ, among those that the policy does not ignore, and the strictest action for them."""

    action: BindingAction = BindingAction.IGNORE
    differing: tuple[str, ...] = ()

    def refusal(self) -> Refused:
        """What the caller is told where the action is not to let it pass."""
        if self.differing == (_CREDENTIAL,):
            return Refused(Reason.CREDENTIAL_CHANGED, "the user's credentials have changed")
        return Refused(Reason.BINDING_MISMATCH, "the session is bound to another device or place")


def judge(attempt: RefreshAttempt, grant: Grant, policy: BindingPolicy) -> Verdict:
    """Compare where `attempt` comes from with what Issue has bound `grant` to.

    A value that Issue was not given binds nothing, but for the device: a session without one is bound to that. A value
    that the refresh does not give differs, but for the credential version, which callers may not know.
    """
    strict = ((name, action) for name in _COMPARED if (action := getattr(policy, name)) is not BindingAction.IGNORE)
    differing = {name: action for name, action in strict if _differs(name, attempt, grant)}
    if not differing:
        return Verdict()
    strictest = max(differing.values(), key=_SEVERITY.index)
    return Verdict(strictest, tuple(name for name, action in differing.items() if action is strictest))


def _differs(name: str, attempt: RefreshAttempt, grant: Grant) -> bool:
    match name:
        case "device":
            return attempt.device_id != grant.device_id
        case "ip":
            return bool(grant.login.ip) and not attempt.place.is_ip_of(grant.login)
        case "user_agent":
            return bool(grant.login.user_agent) and not attempt.place.is_user_agent_of(grant.login)
        case _:
            return _has_other_credentials(attempt, grant)


def _has_other_credentials(attempt: RefreshAttempt, grant: Grant) -> bool:
    if not grant.credential_digest or not attempt.credential_version:
        return False
    presented = bound_digest(attempt.token.handle, _CREDENTIAL, attempt.credential_version)
    return not hmac.compare_digest(presented, grant.credential_digest)
