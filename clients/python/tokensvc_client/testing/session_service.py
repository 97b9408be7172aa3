"""Owns SessionService: sessions listed and shown, and subjects marked."""

from tokensvc_pb.v1 import session_service_pb2 as pb
from tokensvc_pb.v1 import token_pb2

from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.errors import Refusal, invalid, required
from tokensvc_client.testing.moments import milliseconds_in, timestamp
from tokensvc_client.testing.pages import page_of
from tokensvc_client.testing.state import Session, State


def list_sessions(state: State, caller: Client, request: pb.ListSessionsRequest) -> pb.ListSessionsResponse:
    """A page of the sessions that the caller may see, newest first."""
    if not (request.subject or request.client_id):
        raise invalid("subject", "one of subject and client_id is required")
    if request.device_id and not request.subject:
        raise invalid("device_id", "device_id goes with subject")
    if request.client_id and not caller.may_act_for(request.client_id):
        raise Refusal("CALLER_NOT_PERMITTED", "the caller may not act for this client", "client_id")
    found = [session for session in reversed(state.sessions.values()) if _is_wanted(session, caller, request)]
    page, next_page_token = page_of(
        found, request.page_size, request.page_token, lambda session: session.grant.session_id
    )
    shown = [_message(state, session, request.current_session_id) for session in page]
    if not request.include_ended:
        shown = [message for message in shown if message.state == pb.SESSION_STATE_ACTIVE]
    return pb.ListSessionsResponse(sessions=shown, next_page_token=next_page_token)


def get_session(state: State, caller: Client, request: pb.GetSessionRequest) -> pb.GetSessionResponse:
    """One session; one of another client is answered as one that does not exist."""
    session = state.sessions.get(required(request, "session_id"))
    if session is None or not caller.may_act_for(session.grant.client_id):
        raise Refusal("SESSION_NOT_FOUND", "there is no session with this session_id")
    return pb.GetSessionResponse(session=_message(state, session))


def flag_subject(state: State, caller: Client, request: pb.FlagSubjectRequest) -> pb.FlagSubjectResponse:
    """Mark a subject as at risk. Nothing follows from that here, because no rotation is selective."""
    subject, until = required(request, "subject"), milliseconds_in(request, "expires_at")
    if until is not None and until <= state.now:
        raise invalid("expires_at", "expires_at is not in the future")
    state.marks[subject] = until
    state.record("subject.flagged", caller=caller.client_id, subject=subject, reason=request.reason)
    return pb.FlagSubjectResponse(revision=state.log.add())


def unflag_subject(state: State, caller: Client, request: pb.UnflagSubjectRequest) -> pb.UnflagSubjectResponse:
    """Take the mark away; of a subject without one nothing is written."""
    subject = required(request, "subject")
    if subject not in state.marks:
        return pb.UnflagSubjectResponse(revision=state.log.revision)
    del state.marks[subject]
    state.record("subject.unflagged", caller=caller.client_id, subject=subject, reason=request.reason)
    return pb.UnflagSubjectResponse(revision=state.log.add())


def _is_wanted(session: Session, caller: Client, request: pb.ListSessionsRequest) -> bool:
    grant = session.grant
    return (
        caller.may_act_for(grant.client_id)
        and request.subject in ("", grant.request.subject)
        and request.client_id in ("", grant.client_id)
        and request.device_id in ("", grant.request.device.id)
    )


def _state_of(state: State, session: Session, client: Client | None) -> pb.SessionState:
    if client is None or state.is_revoked(session):
        return pb.SESSION_STATE_REVOKED
    return pb.SESSION_STATE_EXPIRED if session.is_expired(client, state.now) else pb.SESSION_STATE_ACTIVE


def _message(state: State, session: Session, current_session_id: str = "") -> pb.Session:
    grant, request = session.grant, session.grant.request
    client = state.live_client(grant.client_id)
    expires_at = session.expires_at(client) if client else grant.expires_at
    return pb.Session(
        session_id=grant.session_id,
        client_id=grant.client_id,
        subject=request.subject,
        device=request.device,
        context=token_pb2.ClientContext(location=request.context.location),
        last_context=token_pb2.ClientContext(location=session.last_location),
        scopes=grant.scopes,
        audiences=grant.audiences,
        state=_state_of(state, session, client),
        generation=session.generation,
        started_at=timestamp(grant.started_at),
        last_used_at=timestamp(session.used_at),
        idle_expires_at=timestamp(session.idle_expires_at(client) if client else expires_at),
        expires_at=timestamp(expires_at),
        revoked_at=timestamp(session.revoked_at) if session.revoked_at is not None else None,
        revoke_reason=session.revoke_reason,
        auth_time=request.auth_time if request.HasField("auth_time") else None,
        acr=request.acr,
        amr=request.amr,
        confirmation=request.confirmation if request.HasField("confirmation") else None,
        current=current_session_id == grant.session_id,
    )
