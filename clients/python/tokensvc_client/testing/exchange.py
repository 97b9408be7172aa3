"""Owns Exchange: an access token is traded for a narrower one for the next service (RFC 8693)."""

from typing import Any

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.testing.access_token import Claims, active_claims, new_token_id, whole_second
from tokensvc_client.testing.clients import EVERY_CLIENT, Client, narrowed
from tokensvc_client.testing.errors import Refusal, invalid, required
from tokensvc_client.testing.issue import check_ttl
from tokensvc_client.testing.moments import milliseconds_in
from tokensvc_client.testing.state import State

_ORIGIN = ("jti", "client_id", "orig_iat", "rev", "sub", "sid", "device_id")


def exchange(state: State, caller: Client, request: pb.ExchangeRequest) -> pb.ExchangeResponse:
    """Answer a token that has no more scope than its subject token, and outlives nothing that it is made of."""
    required(request, "subject_token")
    if not request.audiences:
        raise invalid("audiences", "audiences is required: which service the token is for")
    check_ttl(request, "access_ttl")
    policy = caller.message.exchange_policy
    subject_clients = policy.subject_clients or ([EVERY_CLIENT] if caller.is_open else [])
    if not subject_clients:
        raise Refusal("CALLER_NOT_PERMITTED", "the caller's exchange_policy allows it to trade nothing")
    presented = [_active(state, caller, text) for text in (request.subject_token, request.actor_token) if text]
    subject = presented[0]
    left = min(claims["exp"] * 1000 for claims in presented) - state.now
    is_permitted = not {subject["client_id"], EVERY_CLIENT}.isdisjoint(subject_clients)
    if left < 1000 or any("cnf" in claims for claims in presented) or not is_permitted:  # noqa: PLR2004 - one second
        raise _not_good()
    audiences = narrowed(request.audiences, policy.audiences or (None if caller.is_open else ()), "audiences")
    may_have = [scope for scope in subject["scope"].split() if not policy.scopes or scope in policy.scopes]
    scopes = narrowed(request.scopes, may_have, "scopes")
    wanted = milliseconds_in(request, "access_ttl")
    life = min(left, caller.access_ttl, caller.access_ttl if wanted is None else wanted)
    claims = {
        **subject,
        "client_id": caller.client_id,
        "aud": audiences,
        "scope": " ".join(scopes),
        "iat": state.now // 1000,
        "exp": whole_second(state.now + life),
        "jti": new_token_id(),
    }
    claims |= _delegation(state, caller, presented, claims["jti"])
    _record(state, caller, subject)
    return pb.ExchangeResponse(
        access_token=state.keys.sign(claims, state.now),
        token_type="Bearer",  # noqa: S106 - how it is presented
        expires_in=(claims["exp"] * 1000 - state.now) // 1000,
        scopes=scopes,
        session_id=subject.get("sid", ""),
        revision=state.log.revision,
    )


def _active(state: State, caller: Client, text: str) -> Claims:
    claims = active_claims(state, text, caller)
    if claims is None:
        raise _not_good()
    return claims


def _delegation(state: State, caller: Client, presented: list[Claims], token_id: str) -> Claims:
    """Who acts, with who has acted before nested in it, and all tokens that this one ends with."""
    actor = presented[1] if len(presented) > 1 else {"sub": caller.client_id, "client_id": caller.client_id}
    act: dict[str, Any] = {"sub": actor["sub"], "client_id": actor["client_id"]}
    if "act" in presented[0]:
        act["act"] = presented[0]["act"]
    own = {
        "jti": token_id,
        "client_id": caller.client_id,
        "orig_iat": state.now / 1000,
        "rev": state.log.revision,
    }
    origins = [origin for claims in presented for origin in claims.get("exchanged_from", [_origin(claims)])]
    return {"act": act, "exchanged_from": [*origins, own]}


def _origin(claims: Claims) -> Claims:
    return {name: claims[name] for name in _ORIGIN if name in claims}


def _record(state: State, caller: Client, subject: Claims) -> None:
    state.record(
        "access_token.exchanged",
        caller=caller.client_id,
        client_id=subject["client_id"],
        subject=subject["sub"],
        session_id=subject.get("sid", ""),
    )


def _not_good() -> Refusal:
    return Refusal("SUBJECT_TOKEN_INVALID", "the subject token or the actor token is not good for this exchange")
