"""The decision on an exchange: what the new token says, and that it never says more than it may."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.samples import NOW
from tokensvc.domain.access_token import AccessToken, from_claims, to_claims
from tokensvc.domain.client import Client
from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.delegation import MAX_ACTORS, Actor, Delegation, Origin
from tokensvc.domain.effects import Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.exchange import ExchangeAttempt, decide_exchange, exchanged_event
from tokensvc.domain.policy import MINUTE, SECOND, ExchangePolicy, TokenPolicy

KEY = Confirmation(jkt="A" * 43)
SUBJECT = AccessToken(
    issuer="https://issuer.test",
    subject="ada",
    client_id="phone",
    audiences=("orders",),
    scopes=("read", "write"),
    issued_at=NOW - MINUTE,
    expires_at=NOW + 4 * MINUTE,
    token_id="jti-0",
    started_at=NOW - MINUTE,
    started_revision=5,
    session_id="session-1",
    device_id="device-1",
    auth_time=NOW - MINUTE,
    acr="high",
    amr=("pwd",),
    claims={"tenant": "acme"},
)
ACTOR = replace(SUBJECT, subject="bot", client_id="bots", token_id="jti-bot", session_id="", device_id="")
CALLER = Client("orders", exchange_policy=ExchangePolicy(frozenset({"phone"}), frozenset({"ledger", "mail"})))
OWN = Origin("jti-1", "orders", NOW, 9)
FIRST = Origin("jti-0", "phone", NOW - MINUTE, 5, "ada", "session-1", "device-1")
UNCHANGED = (
    "issuer",
    "subject",
    "started_at",
    "started_revision",
    "session_id",
    "device_id",
    "auth_time",
    "acr",
    "amr",
)


def an_attempt(**changes: Any) -> ExchangeAttempt:
    """The service `orders` asks for a token for `ledger`, and acts itself."""
    return replace(ExchangeAttempt(CALLER, SUBJECT, None, OWN, NOW, ("ledger",)), **changes)


def traded(**changes: Any) -> AccessToken:
    """The token of an attempt that must succeed."""
    token = decide_exchange(an_attempt(**changes))
    assert isinstance(token, AccessToken), token
    return token


def refusal(**changes: Any) -> Refused:
    """The refusal of an attempt that must fail."""
    refused = decide_exchange(an_attempt(**changes))
    assert isinstance(refused, Refused)
    return refused


def traded_on(times: int) -> AccessToken:
    """A token that was traded so often; the caller's own policy allows it."""
    token, policy = SUBJECT, replace(CALLER.exchange_policy, subject_clients=frozenset({"*"}))
    for number in range(times):
        own = replace(OWN, token_id=f"jti-{number + 1}")
        token = traded(caller=replace(CALLER, exchange_policy=policy), subject=token, own=own)
    return token


def test_the_new_token_speaks_for_the_same_subject() -> None:
    """Session, device, login and beginning are those of the subject token; jti, client and audience are its own."""
    token = traded(scopes=("read",))
    assert {name: getattr(token, name) for name in UNCHANGED} == {name: getattr(SUBJECT, name) for name in UNCHANGED}
    assert (token.token_id, token.client_id, token.audiences, token.scopes) == (
        "jti-1",
        "orders",
        ("ledger",),
        ("read",),
    )
    assert (token.issued_at, token.expires_at, token.claims) == (NOW, SUBJECT.expires_at, SUBJECT.claims)


def test_it_names_what_it_was_made_from() -> None:
    """The subject token, the actor token, and its own beginning."""
    assert traded().delegation == Delegation((Actor("orders", "orders"),), (FIRST, OWN))
    of_bot = Origin("jti-bot", "bots", NOW - MINUTE, 5, "bot")
    assert traded(actor=ACTOR).delegation == Delegation((Actor("bot", "bots"),), (FIRST, of_bot, OWN))


def test_a_chain_keeps_all_origins() -> None:
    """In the order in which they were made; the longest chain has one more than it has actors."""
    token = traded_on(MAX_ACTORS)
    assert token.delegation is not None
    assert len(token.delegation.actors) == MAX_ACTORS
    assert [origin.token_id for origin in token.delegation.origins] == [f"jti-{n}" for n in range(MAX_ACTORS + 1)]


def test_the_longest_chain_with_actors_is_read_back() -> None:
    """As many origins as there can be are as many as are read."""
    token = SUBJECT
    policy = replace(CALLER.exchange_policy, subject_clients=frozenset({"*"}))
    for number in range(MAX_ACTORS):
        own, actor = replace(OWN, token_id=f"jti-{number + 1}"), replace(ACTOR, token_id=f"bot-{number}")
        token = traded(caller=replace(CALLER, exchange_policy=policy), subject=token, actor=actor, own=own)
    assert token.delegation is not None
    assert len(token.delegation.origins) == 2 * MAX_ACTORS + 1
    again = from_claims(to_claims(token))
    assert again is not None
    assert again.delegation == token.delegation


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": replace(SUBJECT, client_id="web")},
        {"subject": replace(SUBJECT, confirmation=KEY)},
        {"actor": replace(ACTOR, confirmation=KEY)},
        {"subject": replace(SUBJECT, expires_at=NOW + SECOND - 1)},
        {"actor": replace(ACTOR, expires_at=NOW + SECOND - 1)},
    ],
    ids=["client", "bound", "actor bound", "too late", "actor too late"],
)
def test_tokens_that_are_not_good_are_refused_alike(changes: dict[str, Any]) -> None:
    """One refusal, that says nothing."""
    assert refusal(**changes) == Refused(
        Reason.SUBJECT_TOKEN_INVALID, "the subject token or the actor token is not good for this exchange"
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"actor": replace(ACTOR, delegation=Delegation((Actor("x", "x"),), (OWN,)))}, Reason.INVALID_REQUEST),
        ({"subject": replace(SUBJECT, claims={"may_act": {"sub": "bot"}})}, Reason.CALLER_NOT_PERMITTED),
        ({"subject": replace(SUBJECT, claims={"may_act": None})}, Reason.CALLER_NOT_PERMITTED),
        ({"audiences": ("orders",)}, Reason.INVALID_AUDIENCE),
        ({"scopes": ("admin",)}, Reason.INVALID_SCOPE),
    ],
    ids=["actor of another", "may_act", "may_act null", "audience", "scope"],
)
def test_what_is_wrong_with_the_wish_is_said(changes: dict[str, Any], reason: Reason) -> None:
    """Of tokens that are good, the reason names what does not fit."""
    assert refusal(**changes).reason == reason


def test_a_token_at_the_end_of_its_chain_is_refused() -> None:
    """One exchange more than there may be."""
    policy = replace(CALLER.exchange_policy, subject_clients=frozenset({"*"}))
    refused = refusal(caller=replace(CALLER, exchange_policy=policy), subject=traded_on(MAX_ACTORS))
    assert (refused.reason, refused.field) == (Reason.INVALID_REQUEST, "subject_token")


def test_a_whole_second_is_the_least() -> None:
    """With a second left the token lives for that, whatever was asked for."""
    token = traded(subject=replace(SUBJECT, expires_at=NOW + SECOND), access_ttl=MINUTE)
    assert token.expires_at == NOW + SECOND


def test_the_event_says_who_has_traded_what() -> None:
    """Caller, whose token, for whom, who acts; and no token."""
    attempt = an_attempt(actor=ACTOR)
    token = decide_exchange(attempt)
    assert isinstance(token, AccessToken)
    event = exchanged_event(attempt, token)
    assert (event.caller, event.client_id, event.subject, event.session_id) == ("orders", "phone", "ada", "session-1")
    assert event.details == {
        "scope": "read write",
        "audience": "ledger",
        "actor": "bot",
        "actor_client": "bots",
    }


NAMES = st.lists(st.sampled_from(["read", "write", "admin", "ledger"]), max_size=3, unique=True).map(tuple)
SETS = NAMES.map(frozenset)
CLIENTS = st.frozensets(st.sampled_from(["phone", "web", "*"]), max_size=2)
ENDS = st.integers(-2, 300).map(lambda seconds: NOW + seconds * SECOND)  # exp has whole seconds
CALLERS = st.builds(
    lambda policy, limit: Client("orders", policy=TokenPolicy(access_ttl=limit), exchange_policy=policy),
    st.builds(ExchangePolicy, CLIENTS, SETS, SETS),
    st.integers(SECOND, 10 * MINUTE),
)
ATTEMPTS = st.builds(
    ExchangeAttempt,
    caller=CALLERS,
    subject=st.builds(lambda held, ends: replace(SUBJECT, scopes=held, expires_at=ends), NAMES, ENDS),
    actor=st.none() | ENDS.map(lambda ends: replace(ACTOR, expires_at=ends)),
    own=st.just(OWN),
    now=st.integers(NOW, NOW + 999),
    audiences=NAMES.filter(bool),
    scopes=NAMES,
    access_ttl=st.none() | st.integers(SECOND, 10 * MINUTE),
)


@given(ATTEMPTS)
def test_an_exchange_never_widens(attempt: ExchangeAttempt) -> None:
    """Whatever policy, tokens and wish are: what is given is within each of them, and nothing is given for nothing.

    The claim exp has whole seconds: what was asked for is met to within one, what is left of the tokens exactly.
    """
    token = decide_exchange(attempt)
    if isinstance(token, Refused):
        return
    policy, limit = attempt.caller.exchange_policy, attempt.caller.policy.access_ttl
    assert policy.subject_clients & {"phone", "*"}
    assert token.audiences == attempt.audiences
    assert {*token.audiences} <= policy.audiences
    assert {*token.scopes} <= {*attempt.subject.scopes}
    assert not policy.scopes or {*token.scopes} <= policy.scopes
    assert not attempt.scopes or token.scopes == attempt.scopes
    assert all(attempt.now + SECOND <= token.expires_at <= presented.expires_at for presented in attempt.tokens)
    assert token.expires_at < attempt.now + min(limit, attempt.access_ttl or limit) + SECOND
