"""Owns what every use case is told about its call."""

from typing import NamedTuple

from tokensvc.domain.client import Client, Permission
from tokensvc.domain.view import View


class Call(NamedTuple):
    """An authenticated call: who calls, and the view of the log.

    The view goes on growing while the call waits; `revision` is where it was when the call arrived. `certificate` is
    the SHA-256 hash of that at the other end of the connection, if TLS has found one good.
    """

    caller: Client
    view: View
    revision: int
    certificate: bytes | None = None

    def require(self, permission: Permission) -> None:
        """Refuse with CALLER_NOT_PERMITTED unless the caller has `permission`."""
        self.caller.require(permission)
