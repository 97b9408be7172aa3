"""Owns ListSessions and GetSession: sessions as people and operators see them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum, auto

from tokensvc.domain import bounds
from tokensvc.domain.client import Permission
from tokensvc.domain.errors import Reason, RefusedError, invalid
from tokensvc.domain.session import Session
from tokensvc.domain.value import value
from tokensvc.ports import Clock, SessionFilter, SessionRow, Store
from tokensvc.services.call import Call
from tokensvc.services.paging import page_size, page_token, place_in

_PLACE = re.compile(r"([0-9]{1,15}) ([!-~]{1,64})")  # started_at and session_id: no more than a database can hold


class SessionState(Enum):
    """Whether a session can be refreshed."""

    ACTIVE = auto()
    REVOKED = auto()
    EXPIRED = auto()


@value(frozen=True, slots=True)
class ListedSession:
    """A session and its state, as Refresh would decide."""

    session: Session
    state: SessionState


@value(frozen=True, slots=True)
class SessionQuery:
    """Which sessions, and which page, not yet checked."""

    subject: str = ""
    client_id: str = ""
    device_id: str = ""
    include_ended: bool = False
    page_size: int = 0
    page_token: str = ""


class Sessions:
    """The use cases of SessionService."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list_sessions(self, call: Call, query: SessionQuery) -> tuple[Sequence[ListedSession], str]:
        """Answer a page of sessions that the caller may see, newest first, and the token of the next page."""
        call.require(Permission.INTROSPECT)
        wanted = replace(_filter(query), of_clients=call.caller.visible_clients)
        if query.client_id and not call.caller.may_act_for(query.client_id):
            raise RefusedError(Reason.CALLER_NOT_PERMITTED, "the caller may not act for this client", "client_id")
        rows = await self._store.sessions(wanted)
        listed = [self._listed(call, row) for row in rows]
        shown = [entry for entry in listed if query.include_ended or entry.state is SessionState.ACTIVE]
        return shown, _page_token(rows[-1].session) if len(rows) == wanted.limit else ""

    async def get_session(self, call: Call, session_id: str) -> ListedSession:
        """Answer one session; one of another client is answered as one that does not exist."""
        call.require(Permission.INTROSPECT)
        bounds.text(session_id, "session_id", required=True)
        row = (await self._store.sessions_by_id([session_id])).get(session_id)
        if row is None or not call.caller.may_act_for(row.session.grant.client_id):
            raise RefusedError(Reason.SESSION_NOT_FOUND, "there is no session with this session_id")
        return self._listed(call, row)

    def _listed(self, call: Call, row: SessionRow) -> ListedSession:
        client = call.view.clients.get(row.session.grant.client_id)
        if row.session.revoked_at is not None or row.barred or client is None or client.disabled:
            return ListedSession(row.session, SessionState.REVOKED)
        session = row.session.limited_by(client.policy)
        expired = session.is_expired(self._clock())
        return ListedSession(session, SessionState.EXPIRED if expired else SessionState.ACTIVE)


def _filter(query: SessionQuery) -> SessionFilter:
    bounds.text(query.subject, "subject")
    bounds.text(query.device_id, "device_id")
    if query.client_id:
        bounds.client_id(query.client_id)
    if not (query.subject or query.client_id):
        raise invalid("subject", "one of subject and client_id is required")
    if query.device_id and not query.subject:
        raise invalid("device_id", "device_id goes with subject")
    limit = page_size(query.page_size)
    before = _place(query.page_token) if query.page_token else None
    return SessionFilter(query.subject, query.client_id, query.device_id, before=before, limit=limit)


def _page_token(session: Session) -> str:
    return page_token(f"{session.grant.started_at} {session.grant.session_id}")


def _place(token: str) -> tuple[int, str]:
    place = place_in(token, _PLACE)
    return int(place[1]), place[2]
