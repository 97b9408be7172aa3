"""Owns Revoke: ending a token, a session, a subject, a device or a client (RFC 7009)."""

from dataclasses import field

from tokensvc.domain import bounds
from tokensvc.domain.client import Permission
from tokensvc.domain.effects import Effects
from tokensvc.domain.errors import Reason, RefusedError, invalid
from tokensvc.domain.revoke import (
    Revocation,
    end_access_token,
    end_client,
    end_device,
    end_session,
    end_subject,
)
from tokensvc.domain.session import Session
from tokensvc.domain.value import value
from tokensvc.domain.view import GRACE, View
from tokensvc.ports import AccessTokens, Clock, RefreshTokens, Store, Unit
from tokensvc.services.call import Call

# How far a caller's clock may be ahead of ours.
_CLOCK_SKEW = 60_000


@value(frozen=True, slots=True)
class TokenTarget:
    """An access or refresh token."""

    token: str = field(repr=False)


@value(frozen=True, slots=True)
class SessionTarget:
    """A session."""

    session_id: str


@value(frozen=True, slots=True)
class SubjectTarget:
    """Everything of a subject."""

    subject: str


@value(frozen=True, slots=True)
class DeviceTarget:
    """Everything of a subject on one device."""

    subject: str
    device_id: str


@value(frozen=True, slots=True)
class ClientTarget:
    """Everything issued for a client."""

    client_id: str


Target = TokenTarget | SessionTarget | SubjectTarget | DeviceTarget | ClientTarget


class RevokeTokens:
    """The use case Revoke."""

    def __init__(self, store: Store, access_tokens: AccessTokens, refresh_tokens: RefreshTokens, clock: Clock) -> None:
        self._store = store
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._clock = clock

    async def revoke(self, call: Call, target: Target, reason: str, issued_before: int | None) -> int:
        """End `target`; answer a revision of the log that holds its end."""
        call.require(Permission.REVOKE)
        order = Revocation(call.caller, self._clock(), bounds.reason(reason))
        unit = self._unit(call.view, order, target, _cut_off(target, issued_before, order.now))
        revision = (await self._store.commit(unit)).revision if unit else 0
        # Nothing was written: what there is to know stands at or before the log's present end.
        return revision or (await self._store.view()).revision

    def _unit(self, view: View, order: Revocation, target: Target, issued_before: int | None) -> Unit[None] | None:
        match target:
            case TokenTarget(token):
                return self._token(view, order, bounds.token(token))
            case SessionTarget(session_id):
                return _session(order, bounds.text(session_id, "session_id", required=True))
            case SubjectTarget(subject):
                bounds.text(subject, "subject", required=True)
                effects = end_subject(_across_clients(order), subject, issued_before)
            case DeviceTarget(subject, device_id):
                bounds.text(subject, "device.subject", required=True)
                bounds.text(device_id, "device.device_id", required=True)
                effects = end_device(_across_clients(order), subject, device_id, issued_before)
            case ClientTarget(client_id):
                bounds.client_id(client_id)
                if not order.caller.may_act_for(client_id):
                    raise RefusedError(
                        Reason.CALLER_NOT_PERMITTED, "the caller may not act for this client", "client_id"
                    )
                effects = end_client(order, client_id, issued_before)
        return Unit(lambda _rows: effects)

    def _token(self, view: View, order: Revocation, text: str) -> Unit[None] | None:
        if self._refresh_tokens.is_one(text):
            refresh_token = self._refresh_tokens.open(text)
            if refresh_token is None:
                return None
            brought = refresh_token.session
            if brought and (view.has_ended(brought.grant) or brought.grant.expires_at + GRACE < order.now):
                return None  # the log has its end, or would not keep it: everything of it has expired long ago
            return _session(order, refresh_token.session_id, brought)
        access_token = self._access_tokens.verify(text)
        if access_token is None or view.has_revoked(access_token):
            return None
        effects = end_access_token(order, access_token)
        return Unit(lambda _rows: effects) if effects != Effects(None) else None


def _session(order: Revocation, session_id: str, brought: Session | None = None) -> Unit[None]:
    return Unit(lambda rows: end_session(order, rows.session(session_id)), session_id=session_id, brought=brought)


def _across_clients(order: Revocation) -> Revocation:
    if not order.caller.acts_for_every_client:
        raise RefusedError(
            Reason.CALLER_NOT_PERMITTED, "a subject or device is ended by callers that may act for every client"
        )
    return order


def _cut_off(target: Target, issued_before: int | None, now: int) -> int | None:
    if issued_before is None:
        return None
    if isinstance(target, TokenTarget | SessionTarget):
        raise invalid("issued_before", "issued_before goes with subject, device and client only")
    if not 0 <= issued_before <= now + _CLOCK_SKEW:
        raise invalid("issued_before", "issued_before is not between 1970 and now")
    return min(issued_before, now)
