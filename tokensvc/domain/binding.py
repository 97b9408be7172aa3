"""Owns to what a session is bound, and what follows when a refresh comes from elsewhere."""

import hmac
from collections.abc import Mapping
from dataclasses import field

from tokensvc.domain.effects import Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.policy import BindingAction, BindingPolicy
from tokensvc.domain.refresh_attempt import RefreshAttempt
from tokensvc.domain.refresh_token import bound_digest
from tokensvc.domain.session import Grant
from tokensvc.domain.value import value

_SEVERITY = (BindingAction.IGNORE, BindingAction.AUDIT, BindingAction.REJECT, BindingAction.END_SESSION)
_CREDENTIAL = "credential_version"
_COMPARED = ("device", "ip", "user_agent", _CREDENTIAL)


@value(frozen=True, slots=True)
class Verdict:
    """Which bound values differ, each with the policy's action for it; those that it ignores are left out."""

    differing: Mapping[str, BindingAction] = field(default_factory=dict)

    @property
    def action(self) -> BindingAction:
        """The strictest of the actions."""
        return max(self.differing.values(), key=_SEVERITY.index, default=BindingAction.IGNORE)

    @property
    def differs(self) -> str:
        """The names of the values, as the audit trail has them."""
        return " ".join(self.differing)

    def refusal(self) -> Refused:
        """What the caller is told where the action is not to let it pass."""
        if [name for name, action in self.differing.items() if action is self.action] == [_CREDENTIAL]:
            return Refused(Reason.CREDENTIAL_CHANGED, "the user's credentials have changed", differs=self.differs)
        return Refused(Reason.BINDING_MISMATCH, "the session is bound to another device or place", differs=self.differs)


def judge(attempt: RefreshAttempt, grant: Grant, policy: BindingPolicy) -> Verdict:
    """Compare where `attempt` comes from with what Issue has bound `grant` to.

    A value that Issue was not given binds nothing. A value that the refresh does not give differs, but for the
    credential version, which callers may not know.
    """
    strict = ((name, action) for name in _COMPARED if (action := getattr(policy, name)) is not BindingAction.IGNORE)
    return Verdict({name: action for name, action in strict if _differs(name, attempt, grant)})


def credential_digest(handle: bytes, version: str) -> str:
    """What a session keeps of the `version` of its user's credentials; empty if none was given."""
    return bound_digest(handle, _CREDENTIAL, version) if version else ""


def _differs(name: str, attempt: RefreshAttempt, grant: Grant) -> bool:
    match name:
        case "device":
            return bool(grant.device_id) and attempt.device_id != grant.device_id
        case "ip":
            return bool(grant.login.ip) and not attempt.place.is_ip_of(grant.login)
        case "user_agent":
            return bool(grant.login.user_agent) and not attempt.place.is_user_agent_of(grant.login)
        case _:
            return _has_other_credentials(attempt, grant)


def _has_other_credentials(attempt: RefreshAttempt, grant: Grant) -> bool:
    if not grant.credential_digest or not attempt.credential_version:
        return False
    presented = credential_digest(attempt.token.handle, attempt.credential_version)
    return not hmac.compare_digest(presented, grant.credential_digest)
