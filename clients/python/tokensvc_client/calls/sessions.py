"""Owns the methods of SessionService."""

from datetime import datetime

from tokensvc_pb.v1 import session_service_pb2 as pb

from tokensvc_client import rpcs
from tokensvc_client.caller import Caller
from tokensvc_client.values.plain import read, write
from tokensvc_client.values.sessions import Session, SessionPage
from tokensvc_client.values.tokens import Change


class SessionCalls:
    """Lists sessions and marks subjects at risk. Every method fails with TokenServiceError; `timeout` is in seconds."""

    _caller: Caller

    async def list_sessions(
        self,
        *,
        subject: str = "",
        client_id: str = "",
        device_id: str = "",
        include_ended: bool = False,
        page_size: int = 0,
        page_token: str = "",
        current_session_id: str = "",
        timeout: float | None = None,
    ) -> SessionPage:
        """A page of the sessions of a subject or a client, newest first: 1 to 1,000 of them, 100 if it is not said."""
        fields = {
            "subject": subject,
            "client_id": client_id,
            "device_id": device_id,
            "include_ended": include_ended,
            "page_size": page_size,
            "page_token": page_token,
            "current_session_id": current_session_id,
        }
        request = write(pb.ListSessionsRequest(), fields)
        answer = await self._caller.call(rpcs.LIST_SESSIONS, request, self._caller.deadline(timeout))
        return read(SessionPage, answer)

    async def get_session(self, session_id: str, *, timeout: float | None = None) -> Session:
        """One session. Fails with SessionNotFoundError, also for one that this program may not see."""
        request = write(pb.GetSessionRequest(), {"session_id": session_id})
        answer = await self._caller.call(rpcs.GET_SESSION, request, self._caller.deadline(timeout))
        return read(Session, answer.session)

    async def flag_subject(
        self, subject: str, *, reason: str = "", expires_at: datetime | None = None, timeout: float | None = None
    ) -> Change:
        """Mark a subject as at risk, for ever or until `expires_at`: clients with selective rotation rotate."""
        request = write(pb.FlagSubjectRequest(), {"subject": subject, "reason": reason, "expires_at": expires_at})
        answer = await self._caller.call(rpcs.FLAG_SUBJECT, request, self._caller.deadline(timeout))
        return read(Change, answer)

    async def unflag_subject(self, subject: str, *, reason: str = "", timeout: float | None = None) -> Change:
        """Take the mark away."""
        request = write(pb.UnflagSubjectRequest(), {"subject": subject, "reason": reason})
        answer = await self._caller.call(rpcs.UNFLAG_SUBJECT, request, self._caller.deadline(timeout))
        return read(Change, answer)
