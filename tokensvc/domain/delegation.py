"""Owns what a traded token says beside its claims: who acts (RFC 8693, 4.1), and what it was made from."""

from collections.abc import Mapping
from typing import Any, Final

from tokensvc.domain.claims import milliseconds, seconds, text
from tokensvc.domain.value import value

MAX_ACTORS: Final = 4
"""How often a token can be traded on: each time one more acts."""

MAY_ACT: Final = "may_act"
"""The claim that says who may act for the subject (RFC 8693, 4.4); it is given at Issue, like any other."""

DELEGATION_CLAIMS: Final = frozenset({"act", "exchanged_from"})

_MOST_ORIGINS: Final = 1 + 2 * MAX_ACTORS  # the first token, and with each exchange an actor token and a new one
_ACTOR_MEMBERS: Final = frozenset({"sub", "client_id", "act"})
_ORIGIN_MEMBERS: Final = frozenset({"jti", "client_id", "orig_iat", "rev", "sub", "sid", "device_id"})


@value(frozen=True, slots=True)
class Actor:
    """Who acts: a subject and its client. Where a service acts for itself both are its client_id (RFC 9068, 2.2)."""

    subject: str
    client_id: str


@value(frozen=True, slots=True)
class Origin:
    """The beginning of a token that a traded one depends on, by all that a revocation may name; empty: nothing."""

    token_id: str
    client_id: str
    started_at: int
    started_revision: int
    subject: str = ""
    session_id: str = ""
    device_id: str = ""


@value(frozen=True, slots=True)
class Delegation:
    """Who acts, the present actor first, and all `origins`: when one of them is ended, so is the traded token."""

    actors: tuple[Actor, ...]
    origins: tuple[Origin, ...]


def to_claims(delegation: Delegation) -> dict[str, Any]:
    """Answer the claims of `delegation`."""
    return {"act": act_claim(delegation.actors), "exchanged_from": [_origin_claims(one) for one in delegation.origins]}


def act_claim(actors: tuple[Actor, ...]) -> dict[str, Any]:
    """Answer the claim `act`: who acts now, with who has acted before nested in it."""
    actor, *before = actors
    claim: dict[str, Any] = {"sub": actor.subject, "client_id": actor.client_id}
    return claim | {"act": act_claim(tuple(before))} if before else claim


def _origin_claims(origin: Origin) -> dict[str, Any]:
    given = {"sub": origin.subject, "sid": origin.session_id, "device_id": origin.device_id}
    return {
        "jti": origin.token_id,
        "client_id": origin.client_id,
        "orig_iat": origin.started_at / 1000,
        "rev": origin.started_revision,
    } | {name: value for name, value in given.items() if value}


def from_claims(claims: Mapping[str, object]) -> Delegation | None:
    """Read the delegation of a claims set, None if it is of no traded token.

    Raises KeyError or TypeError if a part is missing or not of its exact type, or if there are more than there can be.
    """
    if "act" not in claims:
        return None
    origins = claims["exchanged_from"]
    if not isinstance(origins, list) or not 1 <= len(origins) <= _MOST_ORIGINS:
        raise TypeError
    return Delegation(_actors(claims["act"], MAX_ACTORS), tuple(map(_origin, origins)))


def _actors(claim: object, most: int) -> tuple[Actor, ...]:
    if not most or not isinstance(claim, dict) or not claim.keys() <= _ACTOR_MEMBERS:
        raise TypeError
    actor = Actor(text(claim["sub"]), text(claim["client_id"]))
    return (actor, *_actors(claim["act"], most - 1)) if "act" in claim else (actor,)


def _origin(claim: object) -> Origin:
    if not isinstance(claim, dict) or not claim.keys() <= _ORIGIN_MEMBERS:
        raise TypeError
    return Origin(
        token_id=text(claim["jti"]),
        client_id=text(claim["client_id"]),
        started_at=milliseconds(claim["orig_iat"]),
        started_revision=seconds(claim["rev"]),
        subject=text(claim["sub"]) if "sub" in claim else "",
        session_id=text(claim["sid"]) if "sid" in claim else "",
        device_id=text(claim["device_id"]) if "device_id" in claim else "",
    )


def is_may_act(claim: object) -> bool:
    """Whether `claim` names an actor in the words that are understood here: `sub`, `client_id` or both, as texts."""
    return (
        isinstance(claim, Mapping)
        and claim.keys() in ({"sub"}, {"client_id"}, {"sub", "client_id"})
        and all(isinstance(value, str) and value for value in claim.values())
    )


def permits(claim: object, actor: Actor) -> bool:
    """Whether a claim `may_act` names `actor`, in all that it names; one that is not understood names nobody."""
    if not isinstance(claim, Mapping) or not is_may_act(claim):
        return False
    return claim.items() <= {"sub": actor.subject, "client_id": actor.client_id}.items()
