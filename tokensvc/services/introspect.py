"""Owns Introspect: whether a token is active for this caller, now (RFC 7662). It writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tokensvc.domain import bounds
from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.errors import invalid
from tokensvc.domain.refresh_token import RefreshToken
from tokensvc.domain.session import Session
from tokensvc.domain.view import View
from tokensvc.ports import AccessTokens, Clock, RefreshTokens, SessionRow, Store
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

Rows = Mapping[str, SessionRow]


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
        view, rows = await self._state(call, (query.token,), freshness)
        active = self._judge(query.token, call.caller, view, rows, self._clock())
        if active is not None and not _serves(active, query):
            active = None
        return active, view.revision

    async def introspect_all(
        self, call: Call, tokens: Sequence[str], freshness: Freshness
    ) -> tuple[list[Active | None], int]:
        """Answer the same for each of `tokens`, all from one state."""
        call.require(Permission.INTROSPECT)
        if not 1 <= len(tokens) <= MOST_TOKENS:
            raise invalid("tokens", f"tokens has not 1 to {MOST_TOKENS} entries")
        if not all(tokens):
            raise invalid("tokens", "tokens has an entry that is empty")
        view, rows = await self._state(call, tokens, freshness)
        caller, now = call.caller, self._clock()
        return [self._judge(token, caller, view, rows, now) for token in tokens], view.revision

    async def _state(self, call: Call, tokens: Sequence[str], freshness: Freshness) -> tuple[View, Rows]:
        """Answer a view, and the sessions of the refresh tokens among `tokens`; judge both without waiting in between.

        The view is taken after the rows: what was revoked while they were read counts for every token alike.
        """
        opened = [self._refresh_tokens.open(text) for text in tokens if self._refresh_tokens.is_one(text)]
        if rows := await self._rows([token for token in opened if token]):
            return await self._store.view(min_revision=freshness.min_revision), rows
        if freshness.min_revision <= call.view.revision:
            return call.view, rows
        return await self._store.view(min_revision=freshness.min_revision, max_staleness=freshness.max_staleness), rows

    async def _rows(self, tokens: Sequence[RefreshToken]) -> Rows:
        session_ids = {token.session_id for token in tokens if not token.session}
        brought = {token.session_id: token.session for token in tokens if token.session}
        return {
            **(await self._store.sessions_by_id(session_ids) if session_ids else {}),
            **(await self._store.brought(brought.values()) if brought else {}),
        }

    def _judge(self, text: str, caller: Client, view: View, rows: Rows, now: int) -> Active | None:
        if self._refresh_tokens.is_one(text):
            return self._judge_refresh_token(text, caller, view, rows, now)
        token = self._access_tokens.verify(text)
        if token is None or now >= token.expires_at or view.has_revoked(token):
            return None
        client = view.clients.get(token.client_id)
        if client is None or client.disabled:
            return None
        if caller.audiences.isdisjoint(token.audiences) and not caller.may_act_for(token.client_id):
            return None
        return token

    def _judge_refresh_token(self, text: str, caller: Client, view: View, rows: Rows, now: int) -> Session | None:
        token = self._refresh_tokens.open(text)
        row = rows.get(token.session_id) if token else None
        if token is None or row is None or row.barred:
            return None
        session = token.session or row.session  # of several stateless tokens each says of itself what holds for it
        grant = session.grant
        client = view.clients.get(grant.client_id)
        if client is None or client.disabled or view.has_ended(grant) or not caller.may_act_for(grant.client_id):
            return None
        # A consumed token is dead, even while a retry would still be answered.
        return session if session.is_live(now) and token.generation >= session.generation else None


def _serves(active: Active, query: IntrospectQuery) -> bool:
    held = active.grant if isinstance(active, Session) else active
    return (not query.audience or query.audience in held.audiences) and all(
        scope in held.scopes for scope in query.required_scopes
    )
