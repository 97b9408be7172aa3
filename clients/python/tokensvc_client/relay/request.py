"""Owns what a relayed refresh asks for, and when two of them are one."""

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

from tokensvc_client.values.tokens import ClientContext


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """A refresh without a proof."""

    refresh_token: str = field(repr=False)
    client_id: str = ""
    scopes: Sequence[str] = ()
    audiences: Sequence[str] = ()
    device_id: str = ""
    context: ClientContext | None = None
    credential_version: str = ""

    @property
    def digest(self) -> bytes:
        """Who asks for the very same has the same one.

        All fields count: a session may be bound to each of them, and who differs has to be judged by the service.
        """
        return hashlib.sha256(repr(astuple(self)).encode("utf-8", "surrogatepass")).digest()


def digest_of(refresh_token: str) -> bytes:
    """Stands for a refresh token where that itself need not be kept."""
    return hashlib.sha256(refresh_token.encode("utf-8", "surrogatepass")).digest()
