"""Owns Introspect: whether a token is active for this caller, now (RFC 7662). It writes nothing but used proofs."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from tokensvc.domain import bounds
from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.dpop_proof import RelayedProof, check_relayed
from tokensvc.domain.errors import invalid
from tokensvc.domain.refresh_token import RefreshToken
from tokensvc.domain.session import Session
from tokensvc.domain.value import value
from tokensvc.domain.view import View
from tokensvc.ports import AccessTokens, Clock, RefreshTokens, SessionRow, Store
from tokensvc.services.active_token import Verify, active_token
from tokensvc.services.call import Call
from tokensvc.services.proofs import Proofs

MOST_TOKENS = 1000
_SLICE = 16  # tokens of a batch whose signatures are checked at once


@value(frozen=True, slots=True)
class Purpose:
    """What a token must be good for, not yet checked."""

    required_scopes: tuple[str, ...] = ()
    audience: str = ""


ANY_PURPOSE = Purpose()


@value(frozen=True, slots=True)
class Freshness:
    """How new the answer must be: at least this revision, at most this old (milliseconds; zero: not at all)."""

    min_revision: int = 0
    max_staleness: int = 0


STRONG = Freshness()


@value(frozen=True, slots=True)
class ActiveSession:
    """What stands behind an active refresh token: its session, and who issued it."""

    session: Session
    issuer: str


Active = AccessToken | ActiveSession
"""What stands behind an active access or refresh token. None stands for every cause of inactive."""


@value(frozen=True, slots=True)
class _Presented:
    """A genuine refresh token, and its session with the barriers as they are."""

    token: RefreshToken
    row: SessionRow


_Found = Mapping[str, _Presented | None]
"""What stands behind the refresh tokens, None for nothing. By the text of each: stateless ones bring a session each,
which may have the same id and other barriers."""


class IntrospectTokens:
    """The use cases Introspect and BatchIntrospect."""

    def __init__(
        self,
        store: Store,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
        proofs: Proofs,
        clock: Clock,
        issuer: str,
    ) -> None:
        self._store = store
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._proofs = proofs
        self._clock = clock
        self._issuer = issuer

    def known(
        self, call: Call, token: str, purpose: Purpose = ANY_PURPOSE, freshness: Freshness = STRONG
    ) -> tuple[Active | None, int] | None:
        """Answer the same as `introspect`, or None where something has to be read first.

        All that can happen to an access token is in the view.
        """
        call.require(Permission.INTROSPECT)
        bounds.token(token)
        if purpose is not ANY_PURPOSE:
            _check(purpose)
        view = call.view
        if freshness.min_revision > view.revision or self._refresh_tokens.is_one(token):
            return None
        active = active_token(self._access_tokens.verify, token, call.caller, view, self._clock())
        return _good_for(purpose, active), view.revision

    async def introspect(
        self, call: Call, token: str, purpose: Purpose = ANY_PURPOSE, freshness: Freshness = STRONG
    ) -> tuple[Active | None, int]:
        """Answer what stands behind the token, and the revision that the answer is based on."""
        known = self.known(call, token, purpose, freshness)
        if known is not None:
            return known
        of_sessions = {token} if self._refresh_tokens.is_one(token) else set[str]()
        view, found = await self._state(call, of_sessions, freshness)
        active = self._judge(token, call.caller, view, found, self._clock(), self._access_tokens.verify)
        return _good_for(purpose, active), view.revision

    async def introspect_proven(
        self, call: Call, token: str, dpop: RelayedProof, purpose: Purpose = ANY_PURPOSE, freshness: Freshness = STRONG
    ) -> tuple[Active | None, int]:
        """The same for an access token that came with a proof: active only if that is good and was not used before."""
        call.require(Permission.INTROSPECT)
        check_relayed(dpop)
        active, revision = await self.introspect(call, token, purpose, freshness)
        if isinstance(active, AccessToken) and await self._proofs.is_shown(dpop, active, token):
            return active, revision
        return None, revision

    async def introspect_all(
        self, call: Call, tokens: Sequence[str], freshness: Freshness = STRONG
    ) -> tuple[list[Active | None], int]:
        """Answer the same for each of `tokens`, all from one state."""
        call.require(Permission.INTROSPECT)
        if not 1 <= len(tokens) <= MOST_TOKENS:
            raise invalid("tokens", f"tokens has not 1 to {MOST_TOKENS} entries")
        if not all(tokens):
            raise invalid("tokens", "tokens has an entry that is empty")
        texts = {*tokens}
        of_sessions = {text for text in texts if self._refresh_tokens.is_one(text)}
        keys, verified = call.view.keys, await self._verified([*texts - of_sessions])
        view, found = await self._state(call, of_sessions, freshness)
        # With the keys may have ended what they had signed.
        verify = verified.__getitem__ if view.keys == keys else self._access_tokens.verify
        caller, now = call.caller, self._clock()
        return [self._judge(token, caller, view, found, now, verify) for token in tokens], view.revision

    async def _verified(self, texts: Sequence[str]) -> Mapping[str, AccessToken | None]:
        """What these access tokens say. Signatures take long: others go on between slices."""
        verify, verified = self._access_tokens.verify, dict[str, AccessToken | None]()
        for begin in range(0, len(texts), _SLICE):
            for text in texts[begin : begin + _SLICE]:
                verified[text] = verify(text)
            await asyncio.sleep(0)
        return verified

    async def _state(self, call: Call, of_sessions: Collection[str], freshness: Freshness) -> tuple[View, _Found]:
        """Answer a view, and what was found of the refresh tokens; judge both without waiting in between.

        The view is taken after the sessions: what was revoked while they were read counts for every token alike.
        """
        opened = {text: self._refresh_tokens.open(text) for text in of_sessions}
        found = await self._found(opened) if opened else {}
        if any(found.values()):
            view = await self._store.view(min_revision=freshness.min_revision)
            # The keys may have changed meanwhile, and what they sealed has ended with them.
            return view, {text: one if self._refresh_tokens.is_genuine(text) else None for text, one in found.items()}
        if freshness.min_revision <= call.view.revision:
            return call.view, found
        return await self._store.view(min_revision=freshness.min_revision, max_staleness=freshness.max_staleness), found

    async def _found(self, opened: Mapping[str, RefreshToken | None]) -> _Found:
        genuine = {text: token for text, token in opened.items() if token}
        brought = {text: token.session for text, token in genuine.items() if token.session}
        session_ids = {text: token.session_id for text, token in genuine.items() if not token.session}
        rows = dict(zip(brought, await self._store.brought([*brought.values()]), strict=True)) if brought else {}
        if session_ids:
            stored = await self._store.sessions_by_id({*session_ids.values()})
            rows |= {text: stored[session_id] for text, session_id in session_ids.items() if session_id in stored}
        return {text: _Presented(genuine[text], rows[text]) if text in rows else None for text in opened}

    def _judge(self, text: str, caller: Client, view: View, found: _Found, now: int, verify: Verify) -> Active | None:
        if text in found:
            session = _live_session(found[text], caller, view, now)
            return ActiveSession(session, self._issuer) if session else None
        return active_token(verify, text, caller, view, now)


def _live_session(presented: _Presented | None, caller: Client, view: View, now: int) -> Session | None:
    if presented is None or presented.row.barred:
        return None
    grant = presented.row.session.grant
    client = view.clients.get(grant.client_id)
    if client is None or client.disabled or view.has_ended(grant) or not caller.may_act_for(grant.client_id):
        return None
    if not client.policy.sender_constraint.is_met_by(grant.confirmation):
        return None  # Refresh gives nothing for it
    session = presented.row.session.limited_by(client.policy)
    # A consumed token is dead, even while a retry would still be answered.
    return session if session.is_live(now) and presented.token.generation >= session.generation else None


def _check(purpose: Purpose) -> None:
    if purpose.required_scopes:
        bounds.scopes(purpose.required_scopes, "required_scopes")
    if purpose.audience:
        bounds.audiences((purpose.audience,), "audience")


def _good_for(purpose: Purpose, active: Active | None) -> Active | None:
    """What is not good for `purpose` is as good as inactive."""
    if active is None or purpose is ANY_PURPOSE:
        return active
    held = active.session.grant if isinstance(active, ActiveSession) else active
    serves = (not purpose.audience or purpose.audience in held.audiences) and all(
        scope in held.scopes for scope in purpose.required_scopes
    )
    return active if serves else None
