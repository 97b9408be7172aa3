"""Owns Revoke: ending a token, a session, a subject, a device or a client (RFC 7009)."""

from typing import Final

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.testing import refresh_token
from tokensvc_client.testing.access_token import is_revoked
from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.errors import Refusal, invalid, required
from tokensvc_client.testing.moments import milliseconds_in, timestamp
from tokensvc_client.testing.state import LONGEST_ACCESS_TTL, State

_CLOCK_SKEW: Final = 60_000  # how far a caller's clock may be ahead


def revoke(state: State, caller: Client, request: pb.RevokeRequest) -> pb.RevokeResponse:
    """End the target; what is unknown, ended or not the caller's is answered alike, and nothing is revoked."""
    if request.reason.startswith("tokensvc: "):
        raise invalid("reason", "reason begins with words that are this service's own")
    cut_off = _cut_off(state, request)
    match request.WhichOneof("target"):
        case "token":
            _end_token(state, caller, required(request, "token"), request.reason)
        case "session_id":
            _end_session(state, caller, required(request, "session_id"), request.reason)
        case "subject":
            required(request, "subject")
            _across_clients(caller)
            _raise(state, caller, pb.Revocation(subject=request.subject), request.reason, cut_off)
        case "device":
            device = pb.Revocation.DeviceTarget(
                subject=required(request.device, "subject", "device.subject"),
                device_id=required(request.device, "device_id", "device.device_id"),
            )
            _across_clients(caller)
            _raise(state, caller, pb.Revocation(device=device), request.reason, cut_off)
        case "client_id":
            if not caller.may_act_for(required(request, "client_id")):
                raise Refusal("CALLER_NOT_PERMITTED", "the caller may not act for this client", "client_id")
            _raise(state, caller, pb.Revocation(client_id=request.client_id), request.reason, cut_off)
        case _:
            raise invalid("target", "one of token, session_id, subject, device and client_id is required")
    return pb.RevokeResponse(revision=state.log.revision)


def _end_token(state: State, caller: Client, token: str, reason: str) -> None:
    """An access token ends alone, a refresh token with its whole session, however old it is (RFC 7009, 2.1)."""
    if refresh_token.is_one(token):
        refreshing = state.refresh_tokens.read(token)
        if refreshing is not None:
            _end_session(state, caller, refreshing.session_id, reason)
        return
    claims = state.keys.verify(token, state.issuer, state.now)
    if claims is None or is_revoked(state, claims) or not caller.may_act_for(claims["client_id"]):
        return
    expires_at = claims["exp"] * 1000
    if state.now < expires_at:
        state.revoke(pb.Revocation(token_id=claims["jti"]), reason, expires_at)
        state.record(
            "token.revoked",
            caller=caller.client_id,
            client_id=claims["client_id"],
            subject=claims["sub"],
            session_id=claims.get("sid", ""),
            reason=reason,
        )


def _end_session(state: State, caller: Client, session_id: str, reason: str) -> None:
    session = state.sessions.get(session_id)
    if session is None or session.revoked_at is not None or not caller.may_act_for(session.grant.client_id):
        return
    state.end_session(session, reason)
    state.record_session("session.revoked", caller, session.grant, reason=reason)


def _raise(state: State, caller: Client, barrier: pb.Revocation, reason: str, cut_off: int | None) -> None:
    """End everything of a subject, device or client that has begun until now, or before `cut_off`."""
    if cut_off is not None:
        barrier.issued_before.CopyFrom(timestamp(cut_off))
    state.revoke(barrier, reason, state.now + LONGEST_ACCESS_TTL)
    state.record(
        f"{(barrier.WhichOneof('target') or '').removesuffix('_id')}.revoked",
        caller=caller.client_id,
        client_id=barrier.client_id,
        subject=barrier.subject or barrier.device.subject,
        reason=reason,
    )


def _across_clients(caller: Client) -> None:
    if not caller.acts_for_every_client:
        raise Refusal("CALLER_NOT_PERMITTED", "a subject or device is ended by callers that may act for every client")


def _cut_off(state: State, request: pb.RevokeRequest) -> int | None:
    issued_before = milliseconds_in(request, "issued_before")
    if issued_before is None:
        return None
    if request.WhichOneof("target") in ("token", "session_id"):
        raise invalid("issued_before", "issued_before goes with subject, device and client only")
    if not 0 <= issued_before <= state.now + _CLOCK_SKEW:
        raise invalid("issued_before", "issued_before is not between 1970 and now")
    return min(issued_before, state.now)
