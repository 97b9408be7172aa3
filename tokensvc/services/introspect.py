"""Owns Introspect: whether a token is active for this caller, now (RFC 7662). It writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tokensvc.domain import bounds
from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.errors import invalid
from tokensvc.domain.refresh_token import PREFIX
from tokensvc.domain.session import Session
from tokensvc.domain.view import View
from tokensvc.ports import AccessTokens, Clock, RefreshTokens, Store
from tokensvc.services.call import Call

MOST_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class IntrospectQuery:
    """A token and what it must be good for, not yet checked."""

    token: str = field(repr=False)
    required_scopes: tuple[str, ...] = ()
    audience: str = ""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How new the answer must be: at least this revision, at most this old (milliseconds; zero: not at all)."""

    min_revision: int = 0
    max_staleness: int = 0


Active = AccessToken | Session
"""What stands behind an active access or refresh token. None stands for every cause of inactive."""


class IntrospectTokens:
    """The use cases Introspect and BatchIntrospect."""

    def __init__(self, store: Store, access_tokens: AccessTokens, refresh_tokens: RefreshTokens, clock: Clock) -> None:
        self._store = store
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._clock = clock

    async def introspect(self, call: Call, query: IntrospectQuery, freshness: Freshness) -> tuple[Active | None, int]:
        """Answer what stands behind the token, and the revision that the answer is based on."""
        call.require(Permission.INTROSPECT)
        bounds.token(query.token)
        if query.required_scopes:
            bounds.scopes(query.required_scopes, "required_scopes")
        if query.audience:
            bounds.audiences((query.audience,), "audience")
        view = await self._view(call, freshness)
        revision = view.revision  # the view grows while a session is read, what was read does not
        active = await self._active(query.token, call.caller, view)
        if active is not None and not _serves(active, query):
            active = None
        return active, revision

    async def introspect_all(
        self, call: Call, tokens: Sequence[str], freshness: Freshness
    ) -> tuple[list[Active | None], int]:
        """Answer the same for each of `tokens`, all from one state."""
        call.require(Permission.INTROSPECT)
        if not 1 <= len(tokens) <= MOST_TOKENS:
            raise invalid("tokens", f"tokens has not 1 to {MOST_TOKENS} entries")
        for token in tokens:
            bounds.token(token, "tokens")
        view = await self._view(call, freshness)
        revision = view.revision  # as above
        caller, now = call.caller, self._clock()
        # Refresh tokens are read first, because reading waits; access tokens are then judged in one go.
        sessions = {text: await self._session(text, caller, view) for text in tokens if text.startswith(PREFIX)}
        answers: list[Active | None] = [
            sessions[text] if text in sessions else self._access_token(text, caller, view, now) for text in tokens
        ]
        return answers, revision

    async def _view(self, call: Call, freshness: Freshness) -> View:
        if freshness.min_revision <= call.view.revision:
            return call.view
        return await self._store.view(min_revision=freshness.min_revision, max_staleness=freshness.max_staleness)

    async def _active(self, text: str, caller: Client, view: View) -> Active | None:
        if text.startswith(PREFIX):
            return await self._session(text, caller, view)
        return self._access_token(text, caller, view, self._clock())

    def _access_token(self, text: str, caller: Client, view: View, now: int) -> AccessToken | None:
        token = self._access_tokens.verify(text)
        if token is None or now >= token.expires_at or view.has_revoked(token):
            return None
        client = view.clients.get(token.client_id)
        if client is None or client.disabled:
            return None
        if caller.audiences.isdisjoint(token.audiences) and not caller.may_act_for(token.client_id):
            return None
        return token

    async def _session(self, text: str, caller: Client, view: View) -> Session | None:
        token = self._refresh_tokens.open(text)
        row = await self._store.session(token.session_id) if token else None
        if token is None or row is None or row.barred or not row.session.is_live(self._clock()):
            return None
        client = view.clients.get(row.session.grant.client_id)
        if client is None or client.disabled or not caller.may_act_for(client.client_id):
            return None
        # A consumed token is dead, even while a retry would still be answered.
        return row.session if token.generation >= row.session.generation else None


def _serves(active: Active, query: IntrospectQuery) -> bool:
    held = active.grant if isinstance(active, Session) else active
    return (not query.audience or query.audience in held.audiences) and all(
        scope in held.scopes for scope in query.required_scopes
    )
