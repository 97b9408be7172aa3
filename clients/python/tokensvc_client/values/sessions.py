"""Owns what the calls about sessions answer."""

from dataclasses import dataclass
from datetime import datetime

from tokensvc_client.values.plain import Enumeration
from tokensvc_client.values.tokens import ClientContext, Confirmation, Device


class SessionState(Enumeration):
    """Whether a session can be refreshed."""

    UNSPECIFIED = 0
    ACTIVE = 1
    REVOKED = 2
    EXPIRED = 3


@dataclass(frozen=True, slots=True)
class Session:
    """One login of one subject on one device.

    `generation` is how often its refresh token was rotated. It ends at `idle_expires_at` if it is not used, and at
    `expires_at` whatever happens. `revoked_at` is None where its subject, device or client was revoked. `current` says
    that it is the one that asked. `context` and `last_context` have the place alone, of the login and of the last
    refresh that named one.
    """

    session_id: str
    client_id: str
    subject: str
    device: Device | None
    context: ClientContext | None
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    state: SessionState
    generation: int
    started_at: datetime | None
    last_used_at: datetime | None
    idle_expires_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    revoke_reason: str
    auth_time: datetime | None
    acr: str
    amr: tuple[str, ...]
    confirmation: Confirmation | None
    current: bool
    last_context: ClientContext | None


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some sessions, and what names the next page: empty at the end. A page may be short though another one follows."""

    sessions: tuple[Session, ...]
    next_page_token: str
