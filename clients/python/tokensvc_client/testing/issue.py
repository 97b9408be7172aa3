"""Owns Issue: a new session with its first tokens, or one access token alone."""

import secrets
from typing import Any, Final

from tokensvc_pb.v1 import client_service_pb2 as client_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.testing.access_token import RESERVED, sign_access_token, token_type_of
from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.errors import Refusal, invalid, required
from tokensvc_client.testing.moments import milliseconds_in
from tokensvc_client.testing.refresh_token import session_id_of
from tokensvc_client.testing.state import Grant, Session, State

_SHORTEST_IDEMPOTENCY_KEY: Final = 16
_LIMIT: Final = "tokensvc: too many sessions"


def issue(state: State, caller: Client, request: pb.IssueRequest) -> pb.IssueResponse:
    """Begin a session, or make one access token where that alone is wanted."""
    _check(request)
    revision = state.log.revision
    client = _client_of(state, caller, request)
    handle = secrets.token_bytes(16)
    if request.idempotency_key:
        handle = state.refresh_tokens.handle_for(caller.client_id, request.idempotency_key)
    grant = _grant(state, client, request, "" if request.access_only else session_id_of(handle))
    if request.access_only:
        state.record_session("access_token.issued", caller, grant, ip=request.context.ip)
        return pb.IssueResponse(**answer(state, client, grant), revision=revision)
    session = state.sessions.get(grant.session_id)
    if session is not None:
        _check_repeated(state, session, grant, client)
        state.record_session("session.issue_retried", caller, session.grant, ip=request.context.ip)
    else:
        _keep_limit(state, caller, client, grant)
        session = Session(grant, state.now, state.now, client.retry_window, last_location=request.context.location)
        state.sessions[grant.session_id] = session
        state.record_session("session.issued", caller, grant, ip=request.context.ip)
    return pb.IssueResponse(
        **answer(state, client, session.grant),
        revision=revision,
        refresh_token=state.refresh_tokens.write(handle, session.generation),
        refresh_expires_in=(session.idle_expires_at(client) - state.now) // 1000,
    )


def answer(
    state: State, client: Client, grant: Grant, scopes: list[str] | None = None, audiences: list[str] | None = None
) -> dict[str, Any]:
    """What Issue and Refresh answer alike; the token has the scopes and audiences of the grant unless it gets less."""
    scopes = grant.scopes if scopes is None else scopes
    token, expires_in = sign_access_token(state, grant, client, scopes, audiences or grant.audiences)
    return {
        "access_token": token,
        "token_type": token_type_of(grant.request.confirmation),
        "expires_in": expires_in,
        "scopes": scopes,
        "session_id": grant.session_id,
    }


def check_ttl(request: Any, field: str) -> None:
    """Refuse a lifetime that is shorter than a second."""
    span = milliseconds_in(request, field)
    if span is not None and span < 1000:  # noqa: PLR2004 - one second
        raise invalid(field, f"{field} is shorter than 1 second")


def _check(request: pb.IssueRequest) -> None:
    required(request, "subject")
    check_ttl(request, "access_ttl")
    check_ttl(request, "refresh_ttl")
    if request.HasField("confirmation") and bool(request.confirmation.jkt) == bool(request.confirmation.x5t_s256):
        raise invalid("confirmation", "confirmation has not one of jkt and x5t_s256")
    if request.idempotency_key and len(request.idempotency_key) < _SHORTEST_IDEMPOTENCY_KEY:
        raise invalid("idempotency_key", f"idempotency_key is shorter than {_SHORTEST_IDEMPOTENCY_KEY} characters")
    if RESERVED.intersection(request.claims.fields):
        raise invalid("claims", "claims names a reserved claim")


def _client_of(state: State, caller: Client, request: pb.IssueRequest) -> Client:
    client_id = request.client_id or caller.client_id
    if not caller.may_act_for(client_id):
        raise Refusal("CALLER_NOT_PERMITTED", "the caller may not act for this client", "client_id")
    client = state.clients.find(client_id)
    if client is None:
        raise Refusal("CLIENT_NOT_FOUND", "there is no client with this client_id", "client_id")
    if client.message.disabled:
        raise Refusal("CLIENT_DISABLED", "the client is disabled", "client_id")
    return client


def _grant(state: State, client: Client, request: pb.IssueRequest, session_id: str) -> Grant:
    scopes = client.scopes(request.scopes)
    audiences = client.audiences(request.audiences, state.issuer)
    access_ttl = _lifetime(request, "access_ttl", client.access_ttl)
    life = _lifetime(request, "refresh_ttl", client.refresh_absolute_ttl) if session_id else access_ttl
    return Grant(
        session_id=session_id,
        client_id=client.client_id,
        request=request,
        scopes=scopes,
        audiences=audiences,
        started_at=state.now,
        started_revision=state.log.revision,
        access_ttl=access_ttl,
        idle_ttl=min(client.refresh_idle_ttl, life),
        expires_at=state.now + life,
    )


def _lifetime(request: pb.IssueRequest, field: str, longest: int) -> int:
    """The wanted span, but never longer than the policy's."""
    wanted = milliseconds_in(request, field)
    return longest if wanted is None else min(wanted, longest)


def _check_repeated(state: State, session: Session, grant: Grant, client: Client) -> None:
    """Refuse to answer with a session that was begun by another request, or has been used or has ended since."""
    first, second = pb.IssueRequest(), pb.IssueRequest()
    first.CopyFrom(session.grant.request)
    second.CopyFrom(grant.request)
    first.ClearField("context")
    second.ClearField("context")
    if first != second or session.grant.client_id != grant.client_id:
        raise invalid("idempotency_key", "idempotency_key was used for another request")
    if session.generation or state.is_revoked(session) or session.is_expired(client, state.now):
        raise invalid("idempotency_key", "idempotency_key belongs to a session that has moved on")


def _keep_limit(state: State, caller: Client, client: Client, grant: Grant) -> None:
    """See to it that the subject may have one more session: the oldest end for it, or it is refused."""
    policy = client.message.token_policy
    if not policy.max_sessions:
        return
    owner = (grant.client_id, grant.request.subject)
    live = [
        session
        for session in state.sessions.values()
        if (session.grant.client_id, session.grant.request.subject) == owner
        and not state.is_revoked(session)
        and not session.is_expired(client, state.now)
    ]
    surplus = live[: max(0, len(live) - policy.max_sessions + 1)]
    if surplus and policy.session_limit_action == client_pb.SESSION_LIMIT_ACTION_REFUSE:
        raise Refusal("SESSION_LIMIT_REACHED", "the subject has as many sessions as it may have")
    for session in surplus:
        state.end_session(session, _LIMIT)
        state.record_session("session.limit_ended", caller, session.grant, reason=_LIMIT)
