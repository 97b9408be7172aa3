"""Owns SessionService: each RPC as a translation around one use case."""

from collections.abc import Mapping

from tokensvc_pb.v1 import session_service_pb2 as pb

from tokensvc.domain.value import value
from tokensvc.rpc import convert
from tokensvc.rpc.guard import Method
from tokensvc.services.call import Call
from tokensvc.services.flags import Flags
from tokensvc.services.sessions import SessionQuery, Sessions

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["SessionService"]


@value(frozen=True, slots=True)
class SessionService:
    """The RPCs of SessionService."""

    sessions: Sessions
    flags: Flags

    def methods(self) -> Mapping[str, Method]:
        """The methods by their names in the proto."""
        return {
            "ListSessions": Method(self.list_sessions),
            "GetSession": Method(self.get_session),
            "FlagSubject": Method(self.flag_subject),
            "UnflagSubject": Method(self.unflag_subject),
        }

    async def list_sessions(self, call: Call, request: pb.ListSessionsRequest) -> pb.ListSessionsResponse:
        """A page of sessions."""
        query = SessionQuery(
            subject=request.subject,
            client_id=request.client_id,
            device_id=request.device_id,
            include_ended=request.include_ended,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        found, next_page_token = await self.sessions.list_sessions(call, query)
        shown = [convert.session_message(listed, request.current_session_id) for listed in found]
        return pb.ListSessionsResponse(sessions=shown, next_page_token=next_page_token)

    async def get_session(self, call: Call, request: pb.GetSessionRequest) -> pb.GetSessionResponse:
        """One session."""
        listed = await self.sessions.get_session(call, request.session_id)
        return pb.GetSessionResponse(session=convert.session_message(listed))

    async def flag_subject(self, call: Call, request: pb.FlagSubjectRequest) -> pb.FlagSubjectResponse:
        """Mark a subject as at risk."""
        until = convert.moment_of(request, "expires_at")
        return pb.FlagSubjectResponse(revision=await self.flags.flag(call, request.subject, request.reason, until))

    async def unflag_subject(self, call: Call, request: pb.UnflagSubjectRequest) -> pb.UnflagSubjectResponse:
        """Take the mark away."""
        return pb.UnflagSubjectResponse(revision=await self.flags.unflag(call, request.subject, request.reason))
