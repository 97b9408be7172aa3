"""Owns Refresh: what a presented refresh token leads to."""

from typing import Final

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.errors import Refusal, invalid, required
from tokensvc_client.testing.issue import answer
from tokensvc_client.testing.refresh_token import RefreshToken
from tokensvc_client.testing.state import Session, State

_REUSE: Final = "tokensvc: refresh token reused"


def refresh(state: State, caller: Client, request: pb.RefreshRequest) -> pb.RefreshResponse:
    """Answer the next tokens.

    The order of the checks is part of the contract: each reveals something only to whom the one before it has let pass.
    A refusal changes nothing, but for reuse, which ends the session (RFC 9700, 4.14.2).
    """
    required(request, "refresh_token")
    token = state.refresh_tokens.read(request.refresh_token)
    session = state.sessions.get(token.session_id) if token else None
    if token is None or session is None:
        raise Refusal("REFRESH_TOKEN_INVALID", "the refresh token is not valid")
    client = _client_of(state, caller, request, session)
    _check_session(state, client, token, session)
    _check_holder(request, session)
    grant = session.grant
    scopes = client.scopes(request.scopes, grant.scopes)
    audiences = client.audiences(request.audiences, state.issuer, grant.audiences)
    _use(state, caller, client, token, session, request)
    return pb.RefreshResponse(
        **answer(state, client, grant, scopes, audiences),
        revision=state.log.revision,
        refresh_token=state.refresh_tokens.write(token.handle, session.generation),
        refresh_expires_in=(session.idle_expires_at(client) - state.now) // 1000,
    )


def _client_of(state: State, caller: Client, request: pb.RefreshRequest, session: Session) -> Client:
    client_id = session.grant.client_id
    if request.client_id not in ("", client_id) or not caller.may_act_for(client_id):
        raise Refusal("CLIENT_MISMATCH", "the refresh token belongs to another client")
    client = state.live_client(client_id)
    if client is None:
        raise Refusal("CLIENT_DISABLED", "the client of the refresh token is disabled")
    return client


def _check_session(state: State, client: Client, token: RefreshToken, session: Session) -> None:
    if session.revoke_reason == _REUSE and token.generation < session.generation:
        raise _reused()  # the same answer for all who present a consumed token, whoever comes first
    if state.is_revoked(session):
        raise Refusal("REFRESH_TOKEN_REVOKED", "the session was revoked")
    if session.is_expired(client, state.now):
        raise Refusal("REFRESH_TOKEN_EXPIRED", "the session has expired")


def _check_holder(request: pb.RefreshRequest, session: Session) -> None:
    """Refuse who does not have the session's key, or comes with other credentials of the user."""
    first = session.grant.request
    if request.HasField("dpop") and not first.confirmation.jkt:
        raise invalid("dpop", "the session is bound to no DPoP key, so that a proof says nothing of it")
    if first.HasField("confirmation") and not request.HasField("dpop"):
        raise Refusal("BINDING_MISMATCH", "the session is bound to another key")
    versions = {first.credential_version, request.credential_version} - {""}
    if len(versions) > 1:
        raise Refusal("CREDENTIAL_CHANGED", "the user's credentials have changed")


def _use(
    state: State, caller: Client, client: Client, token: RefreshToken, session: Session, request: pb.RefreshRequest
) -> None:
    """Use a token, answer a retry with the same successor, or end the session of one that was consumed long ago."""
    ip = request.context.ip
    if token.generation == session.generation:
        if state.now - session.rotated_at >= client.rotation_interval:
            session.generation += 1
            session.rotated_at = state.now
            session.retry_window = client.retry_window
        session.used_at = state.now
        session.last_location = request.context.location or session.last_location
        state.record_session("session.refreshed", caller, session.grant, ip=ip)
        return
    window = min(session.retry_window, client.retry_window)
    if token.generation == session.generation - 1 and abs(state.now - session.rotated_at) < window:
        state.record_session("session.refresh_retried", caller, session.grant, ip=ip)
        return
    state.end_session(session, _REUSE)
    state.record_session("session.reuse_detected", caller, session.grant, ip=ip)
    raise _reused()


def _reused() -> Refusal:
    return Refusal("REFRESH_TOKEN_REUSED", "a consumed refresh token was presented: the session has been ended")
