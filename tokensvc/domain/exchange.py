"""Owns what an exchange leads to: the traded token, or why there is none (RFC 8693)."""

from dataclasses import replace
from typing import Final

from tokensvc.domain.access_token import AccessToken, whole_second
from tokensvc.domain.client import Client
from tokensvc.domain.delegation import MAX_ACTORS, MAY_ACT, Actor, Delegation, Origin, permits
from tokensvc.domain.effects import AuditEvent, Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.grants import narrow_audiences, narrow_scopes
from tokensvc.domain.issue import lifetime
from tokensvc.domain.policy import SECOND
from tokensvc.domain.value import value

NOT_GOOD: Final = Refused(
    Reason.SUBJECT_TOKEN_INVALID, "the subject token or the actor token is not good for this exchange"
)
"""What is wrong with a token is never said."""

_ACTS_FOR_ANOTHER: Final = Refused(
    Reason.INVALID_REQUEST, "actor_token was traded itself: it says who acts for another", "actor_token"
)
_TOO_OFTEN: Final = Refused(
    Reason.INVALID_REQUEST, f"subject_token was traded {MAX_ACTORS} times: it cannot be traded on", "subject_token"
)
_MAY_NOT_ACT: Final = Refused(
    Reason.CALLER_NOT_PERMITTED, "the claim may_act of the subject token names another actor", "subject_token"
)


@value(frozen=True, slots=True)
class ExchangeAttempt:
    """One call of Exchange, with tokens that are active for its caller; without `actor` the caller itself acts.

    `own` is the beginning of the new token: its jti, its client, which is the caller, and the moment.
    """

    caller: Client
    subject: AccessToken
    actor: AccessToken | None
    own: Origin
    now: int
    audiences: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    access_ttl: int | None = None

    @property
    def acting(self) -> Actor:
        """Who acts in the new token."""
        if self.actor is None:
            return Actor(self.caller.client_id, self.caller.client_id)
        return Actor(self.actor.subject, self.actor.client_id)

    @property
    def tokens(self) -> tuple[AccessToken, ...]:
        """The tokens that were presented."""
        return (self.subject,) if self.actor is None else (self.subject, self.actor)


def decide_exchange(attempt: ExchangeAttempt) -> AccessToken | Refused:
    """Decide on a traded token. It never has more scope than its subject token, and never outlives what it is made of.

    Its audiences are those of the caller's policy, which says whom it may call next; not those of the subject token,
    which was meant for the caller (RFC 8693, 1.1).
    """
    subject, policy = attempt.subject, attempt.caller.exchange_policy
    left = min(token.expires_at for token in attempt.tokens) - attempt.now
    if left < SECOND or any(token.confirmation for token in attempt.tokens) or not policy.trades_for(subject.client_id):
        return NOT_GOOD
    refused = _refused_actor(attempt)
    if refused is not None:
        return refused
    audiences = narrow_audiences(attempt.audiences, policy.audiences)
    if isinstance(audiences, Refused):
        return audiences
    scopes = narrow_scopes(attempt.scopes, policy.scopes_of(subject.scopes))
    if isinstance(scopes, Refused):
        return scopes
    span = min(left, lifetime(attempt.access_ttl, attempt.caller.policy.access_ttl))
    return replace(
        subject,
        client_id=attempt.caller.client_id,
        audiences=audiences,
        scopes=scopes,
        issued_at=attempt.now,
        expires_at=whole_second(attempt.now + span),
        token_id=attempt.own.token_id,
        delegation=_delegation(attempt),
    )


def _refused_actor(attempt: ExchangeAttempt) -> Refused | None:
    subject = attempt.subject
    if attempt.actor is not None and attempt.actor.delegation is not None:
        return _ACTS_FOR_ANOTHER
    if subject.delegation is not None and len(subject.delegation.actors) >= MAX_ACTORS:
        return _TOO_OFTEN
    if MAY_ACT in subject.claims and not permits(subject.claims[MAY_ACT], attempt.acting):
        return _MAY_NOT_ACT
    return None


def _delegation(attempt: ExchangeAttempt) -> Delegation:
    before = attempt.subject.delegation.actors if attempt.subject.delegation else ()
    origins = [origin for token in attempt.tokens for origin in _origins(token)]
    return Delegation((attempt.acting, *before), tuple(dict.fromkeys((*origins, attempt.own))))


def _origins(token: AccessToken) -> tuple[Origin, ...]:
    if token.delegation is not None:
        return token.delegation.origins
    return (
        Origin(
            token.token_id,
            token.client_id,
            token.started_at,
            token.started_revision,
            token.subject,
            token.session_id,
            token.device_id,
        ),
    )


def exchanged_event(attempt: ExchangeAttempt, token: AccessToken) -> AuditEvent:
    """The audit event of an exchange: `client_id` is whose token the caller has traded."""
    acting = attempt.acting
    return AuditEvent(
        "access_token.exchanged",
        at=attempt.now,
        caller=attempt.caller.client_id,
        client_id=attempt.subject.client_id,
        subject=token.subject,
        session_id=token.session_id,
        details={
            "scope": " ".join(token.scopes),
            "audience": " ".join(token.audiences),
            "actor": acting.subject,
            "actor_client": acting.client_id,
        },
    )
