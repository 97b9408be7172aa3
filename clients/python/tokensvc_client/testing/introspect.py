"""Owns Introspect and BatchIntrospect: whether a token is active for this caller, now (RFC 7662)."""

from typing import Final

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from tokensvc_pb.v1 import token_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.testing import refresh_token
from tokensvc_client.testing.access_token import RESERVED, Claims, active_claims, confirmation_of, token_type_of
from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.errors import Refusal, invalid, required
from tokensvc_client.testing.moments import timestamp
from tokensvc_client.testing.state import State

_MOST_TOKENS: Final = 1000


def introspect(state: State, caller: Client, request: pb.IntrospectRequest) -> pb.IntrospectResponse:
    """Answer what the token says; of one that is not active, or not good for what it has to be, nothing at all."""
    _check_revision(state, request.min_revision)
    found = _look(state, caller, required(request, "token"))
    is_proven = not request.HasField("dpop") or bool(found.confirmation.jkt)
    serves = request.audience in ("", *found.audiences) and set(request.required_scopes) <= set(found.scopes)
    if not (found.active and is_proven and serves):
        return pb.IntrospectResponse()
    found.revision = state.log.revision
    return found


def batch_introspect(state: State, caller: Client, request: pb.BatchIntrospectRequest) -> pb.BatchIntrospectResponse:
    """Answer the same for each of the tokens."""
    if not 1 <= len(request.tokens) <= _MOST_TOKENS:
        raise invalid("tokens", f"tokens has not 1 to {_MOST_TOKENS} entries")
    if not all(request.tokens):
        raise invalid("tokens", "tokens has an entry that is empty")
    _check_revision(state, request.min_revision)
    results = [_look(state, caller, token) for token in request.tokens]
    return pb.BatchIntrospectResponse(results=results, revision=state.log.revision)


def _check_revision(state: State, wanted: int) -> None:
    if wanted < 0:
        raise invalid("min_revision", "min_revision is negative")
    if wanted > state.log.revision:
        raise Refusal("STORE_UNAVAILABLE", "the log has not reached min_revision")


def _look(state: State, caller: Client, token: str) -> pb.IntrospectResponse:
    if refresh_token.is_one(token):
        return _refresh_token(state, caller, token)
    claims = active_claims(state, token, caller)
    return pb.IntrospectResponse() if claims is None else _access_token(claims)


def _access_token(claims: Claims) -> pb.IntrospectResponse:
    confirmation = confirmation_of(claims)
    return pb.IntrospectResponse(
        active=True,
        scopes=claims["scope"].split(),
        client_id=claims["client_id"],
        subject=claims["sub"],
        audiences=claims["aud"],
        issuer=claims["iss"],
        token_id=claims["jti"],
        issued_at=timestamp(claims["iat"] * 1000),
        expires_at=timestamp(claims["exp"] * 1000),
        token_type=token_type_of(confirmation or token_pb2.Confirmation()),
        token_use=token_pb2.TOKEN_USE_ACCESS,
        session_id=claims.get("sid", ""),
        device_id=claims.get("device_id", ""),
        confirmation=confirmation,
        actor=_struct(claims.get("act")),
        auth_time=timestamp(claims["auth_time"] * 1000) if "auth_time" in claims else None,
        acr=claims.get("acr", ""),
        amr=claims.get("amr", ()),
        claims=_struct({name: claims[name] for name in claims.keys() - RESERVED}),
    )


def _refresh_token(state: State, caller: Client, text: str) -> pb.IntrospectResponse:
    """A consumed one is dead, even while a retry would still be answered."""
    token = state.refresh_tokens.read(text)
    session = state.sessions.get(token.session_id) if token else None
    client = state.live_client(session.grant.client_id) if session else None
    if token is None or session is None or client is None or not caller.may_act_for(client.client_id):
        return pb.IntrospectResponse()
    if state.is_revoked(session) or session.is_expired(client, state.now) or token.generation < session.generation:
        return pb.IntrospectResponse()
    grant, request = session.grant, session.grant.request
    return pb.IntrospectResponse(
        active=True,
        scopes=grant.scopes,
        client_id=grant.client_id,
        subject=request.subject,
        audiences=grant.audiences,
        issuer=state.issuer,
        issued_at=timestamp(session.rotated_at),
        expires_at=timestamp(session.idle_expires_at(client)),
        token_use=token_pb2.TOKEN_USE_REFRESH,
        session_id=grant.session_id,
        device_id=request.device.id,
        confirmation=request.confirmation if request.HasField("confirmation") else None,
        auth_time=request.auth_time if request.HasField("auth_time") else None,
        acr=request.acr,
        amr=request.amr,
    )


def _struct(found: Claims | None) -> Struct | None:
    return json_format.ParseDict(found, Struct()) if found else None
