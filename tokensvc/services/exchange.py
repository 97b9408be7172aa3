"""Owns Exchange: an access token is traded for a narrower one for the next service (RFC 8693)."""

from dataclasses import field

from tokensvc.domain import bounds
from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.client import Permission
from tokensvc.domain.delegation import Origin
from tokensvc.domain.effects import Effects, Refused
from tokensvc.domain.errors import Reason, RefusedError, invalid
from tokensvc.domain.exchange import NOT_GOOD, ExchangeAttempt, decide_exchange, exchanged_event
from tokensvc.domain.policy import SenderConstraint
from tokensvc.domain.value import value
from tokensvc.ports import AccessTokens, Clock, Randomness, Store, Unit
from tokensvc.services.active_token import active_token
from tokensvc.services.call import Call
from tokensvc.services.token_set import TokenSet, new_token_id


@value(frozen=True, slots=True)
class ExchangeOrder:
    """What Exchange was asked for, not yet checked; the span in milliseconds."""

    subject_token: str = field(repr=False)
    actor_token: str = field(default="", repr=False)
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    access_ttl: int | None = None

    @property
    def presented(self) -> tuple[str, ...]:
        """The tokens."""
        return (self.subject_token, self.actor_token) if self.actor_token else (self.subject_token,)


class ExchangeTokens:
    """The use case Exchange."""

    def __init__(self, store: Store, access_tokens: AccessTokens, clock: Clock, randomness: Randomness) -> None:
        self._store = store
        self._access_tokens = access_tokens
        self._clock = clock
        self._randomness = randomness

    async def exchange(self, call: Call, order: ExchangeOrder) -> TokenSet:
        """Answer the traded token; refuses with RefusedError. Nothing is written but the audit event."""
        call.require(Permission.EXCHANGE)
        attempt = self._attempt(call, order)
        token = decide_exchange(attempt)
        if isinstance(token, Refused):
            raise token.error()
        text = self._access_tokens.sign(token)
        if len(text) > bounds.MAX_TOKEN:
            raise invalid("subject_token", "the token would be too long; subject_token takes the most of it")
        event = exchanged_event(attempt, token)
        await self._store.commit(Unit(lambda _rows: Effects(None, audit=(event,))))
        if not all(self._access_tokens.verify(presented) for presented in order.presented):
            raise NOT_GOOD.error()  # its key was revoked meanwhile, and what was signed with it must not live on
        return TokenSet(
            text,
            (token.expires_at - attempt.now) // 1000,
            token.scopes,
            call.revision,
            session_id=token.session_id,
        )

    def _attempt(self, call: Call, order: ExchangeOrder) -> ExchangeAttempt:
        bounds.token(order.subject_token, "subject_token")
        if not order.audiences:
            raise invalid("audiences", "audiences is required: which service the token is for")
        audiences, scopes = bounds.audiences(order.audiences), bounds.scopes(order.scopes)
        bounds.ttl(order.access_ttl, "access_ttl")
        _check_caller(call)
        caller, now = call.caller, self._clock()
        started_at = call.view.beginning("", caller.client_id, "", now)
        return ExchangeAttempt(
            caller,
            self._active(call, order.subject_token, now),
            self._active(call, order.actor_token, now) if order.actor_token else None,
            Origin(new_token_id(self._randomness), caller.client_id, started_at, call.revision),
            now,
            audiences=audiences,
            scopes=scopes,
            access_ttl=order.access_ttl,
        )

    def _active(self, call: Call, text: str, now: int) -> AccessToken:
        token = active_token(self._access_tokens.verify, text, call.caller, call.view, now)
        if token is None:
            raise NOT_GOOD.error()
        return token


def _check_caller(call: Call) -> None:
    if not call.caller.exchange_policy.subject_clients:
        raise RefusedError(Reason.CALLER_NOT_PERMITTED, "the caller's exchange_policy allows it to trade nothing")
    if call.caller.policy.sender_constraint is not SenderConstraint.NONE:
        raise RefusedError(
            Reason.CALLER_NOT_PERMITTED, "the caller's tokens must be bound to a key, and traded ones are bound to none"
        )
