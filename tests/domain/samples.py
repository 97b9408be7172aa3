"""Ready-made values for the tests of decisions: the client `phone`, ada's session on it, attempts to refresh it."""

from dataclasses import replace
from typing import Any

from tokensvc.domain.client import Client, Permission
from tokensvc.domain.effects import Effects, Refused
from tokensvc.domain.policy import DAY, MINUTE, SECOND, TokenPolicy
from tokensvc.domain.refresh import Refreshed, decide_refresh
from tokensvc.domain.refresh_attempt import RefreshAttempt
from tokensvc.domain.refresh_token import RefreshToken, session_id_of
from tokensvc.domain.session import ClientContext, Device, Grant, Session

NOW = 1_800_000_000_000
WINDOW = 10 * SECOND
HANDLE = bytes(range(16))

POLICY = TokenPolicy(retry_window=WINDOW, scopes=("read", "write"), audiences=("api", "billing"))
PHONE = Client("phone", policy=POLICY)
BFF = Client("bff", permissions=frozenset({Permission.REFRESH}), acts_for=frozenset({"phone"}))
STRANGER = Client("stranger", permissions=frozenset(Permission) - {Permission.ADMIN})

GRANT = Grant(
    session_id=session_id_of(HANDLE),
    client_id="phone",
    subject="ada",
    scopes=("read", "write"),
    audiences=("api", "billing"),
    started_at=NOW - DAY,
    started_revision=7,
    expires_at=NOW + 90 * DAY,
    idle_ttl=30 * DAY,
    access_ttl=5 * MINUTE,
    device=Device("device-1", "Ada's phone", "android"),
)


def phone(**policy: Any) -> Client:
    """The client `phone` with changes to its policy."""
    return replace(PHONE, policy=replace(POLICY, **policy))


def a_session(
    generation: int = 0, *, rotated_at: int = NOW - DAY, retry_window: int = WINDOW, **changes: Any
) -> Session:
    """Ada's session at `generation`; `changes` to its grant."""
    grant = replace(GRANT, **changes)
    return Session(grant, generation, rotated_at=rotated_at, used_at=NOW - DAY, retry_window=retry_window)


def an_attempt(generation: int = 0, **changes: Any) -> RefreshAttempt:
    """A Refresh of Ada's session with the token of `generation`, relayed by `bff`."""
    token = RefreshToken(1, HANDLE, generation)
    context = ClientContext(ip="192.0.2.7")
    return replace(RefreshAttempt(token, BFF, NOW, device_id="device-1", context=context), **changes)


def decide(
    attempt: RefreshAttempt, session: Session | None, client: Client = PHONE, *, barred: bool = False
) -> Effects[Refreshed | Refused]:
    """The decision when `client` is the only one registered."""
    return decide_refresh(attempt, session, {client.client_id: client}, barred=barred)


def refreshed(effects: Effects[Refreshed | Refused]) -> Refreshed:
    """What a Refresh that must succeed gives."""
    assert isinstance(effects.outcome, Refreshed), effects.outcome
    return effects.outcome


def refused(effects: Effects[Any]) -> Refused:
    """The refusal of what must be refused."""
    assert isinstance(effects.outcome, Refused), effects.outcome
    return effects.outcome
