"""Owns what every use case is told about its call."""

from dataclasses import dataclass, field

from tokensvc.domain.client import Client, Permission
from tokensvc.domain.view import View


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated call: who calls, and the view of the log.

    The view goes on growing while the call waits; `revision` is where it was when the call arrived.
    """

    caller: Client
    view: View
    revision: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "revision", self.view.revision)

    def require(self, permission: Permission) -> None:
        """Refuse with CALLER_NOT_PERMITTED unless the caller has `permission`."""
        self.caller.require(permission)
