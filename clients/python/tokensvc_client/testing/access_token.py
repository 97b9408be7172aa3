"""Owns what an access token says (RFC 9068), and whether it is active."""

import secrets
from typing import Any, Final

from tokensvc_pb.v1 import token_pb2

from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.state import Grant, State, json_of

Claims = dict[str, Any]

RESERVED: Final = frozenset(
    {
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "sid", "orig_iat", "rev", "device_id"),
        *("auth_time", "acr", "amr", "cnf", "act", "exchanged_from"),
    }
)
"""Claims that a caller cannot give at Issue."""


def new_token_id() -> str:
    """A claim jti that no other token has."""
    return secrets.token_urlsafe(16)


def whole_second(moment: int) -> int:
    """The second in which `moment` (in milliseconds) is over: a token lives as long as is said."""
    return -(-moment // 1000)


def sign_access_token(
    state: State, grant: Grant, client: Client, scopes: list[str], audiences: list[str]
) -> tuple[str, int]:
    """Answer an access token of this grant, and its lifetime in whole seconds; it never outlives its session."""
    lifetime = min(grant.access_ttl, client.access_ttl, grant.expires_at - state.now)
    request = grant.request
    claims: Claims = {
        **json_of(request.claims),
        **grant.origin(),
        "iss": state.issuer,
        "aud": audiences,
        "scope": " ".join(scopes),
        "iat": state.now // 1000,
        "exp": whole_second(state.now + lifetime),
        "jti": new_token_id(),
    }
    if request.HasField("auth_time"):
        claims["auth_time"] = request.auth_time.seconds
    if request.acr:
        claims["acr"] = request.acr
    if request.amr:
        claims["amr"] = list(request.amr)
    if request.HasField("confirmation"):
        claims["cnf"] = _cnf(request.confirmation)
    return state.keys.sign(claims, state.now), lifetime // 1000


def active_claims(state: State, token: str, caller: Client) -> Claims | None:
    """The claims, None unless the token is genuine, alive, and meant for the caller or of a client it acts for."""
    claims = state.keys.verify(token, state.issuer, state.now)
    if claims is None or state.now >= claims["exp"] * 1000 or is_revoked(state, claims):
        return None
    if state.live_client(claims["client_id"]) is None:
        return None
    if set(caller.message.audiences).isdisjoint(claims["aud"]) and not caller.may_act_for(claims["client_id"]):
        return None
    return claims


def is_revoked(state: State, claims: Claims) -> bool:
    """Whether the log ends the token; a traded one ends with any that it was made from."""
    origins = claims.get("exchanged_from", [claims])
    return any(state.log.ends(origin) or state.live_client(origin["client_id"]) is None for origin in origins)


def token_type_of(confirmation: token_pb2.Confirmation) -> str:
    """How the token is presented (RFC 9449, 5)."""
    return "DPoP" if confirmation.jkt else "Bearer"


def confirmation_of(claims: Claims) -> token_pb2.Confirmation | None:
    """The key that a token is bound to, None if it is to none."""
    if "cnf" not in claims:
        return None
    return token_pb2.Confirmation(jkt=claims["cnf"].get("jkt", ""), x5t_s256=claims["cnf"].get("x5t#S256", ""))


def _cnf(confirmation: token_pb2.Confirmation) -> Claims:
    return {"jkt": confirmation.jkt} if confirmation.jkt else {"x5t#S256": confirmation.x5t_s256}
