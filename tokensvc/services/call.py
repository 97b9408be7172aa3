"""Owns what every use case is told about its call."""

from dataclasses import dataclass

from tokensvc.domain.client import Client, Permission
from tokensvc.domain.view import View


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated call: who calls, and the view of the log that was current when it arrived."""

    caller: Client
    view: View

    def require(self, permission: Permission) -> None:
        """Refuse with CALLER_NOT_PERMITTED unless the caller has `permission`."""
        self.caller.require(permission)
