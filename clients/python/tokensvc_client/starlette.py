"""Owns what endpoints of Starlette say of the token that they need, behind the guard `BearerAuth`.

    app = Starlette(routes=[...], middleware=[Middleware(BearerAuth, verifier=verifier, audience="orders-api")])

    @requires("orders.write")
    async def create(request: Request) -> Response: ...

Needs the extra `starlette`.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from tokensvc_client.guards.challenges import challenges
from tokensvc_client.guards.refusal import Cause, Refusal, Scheme
from tokensvc_client.verification import VerifiedToken

P = ParamSpec("P")
T = TypeVar("T")
_REALM: Final = "tokensvc"
_POLICY_VIOLATION: Final = 1008  # RFC 6455, 7.4.1


def token_of(connection: HTTPConnection, *scopes: str) -> VerifiedToken:
    """What the token of a request says. Fails with HTTPException 403 if it lacks one of `scopes`, 401 if there is none.

    For a WebSocket it fails with WebSocketException.
    """
    token = connection.scope.get("auth")
    if not isinstance(token, VerifiedToken):
        raise _refused(connection, Refusal(Cause.NO_TOKEN, "a token is needed"), scopes)
    if not set(scopes).issubset(token.scopes):
        scheme = Scheme.DPOP if token.confirmation is not None and token.confirmation.jkt else Scheme.BEARER
        lacking = Refusal(Cause.INSUFFICIENT_SCOPE, "the token lacks a scope", scheme, scopes)
        raise _refused(connection, lacking, scopes)
    return token


def requires(*scopes: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let an endpoint run only for tokens that have all `scopes`. One of its arguments is the request or WebSocket."""

    def around(endpoint: Callable[P, T]) -> Callable[P, T]:
        guarded: Any

        if inspect.iscoroutinefunction(endpoint):

            @functools.wraps(endpoint)
            async def guarded(*args: Any, **kwargs: Any) -> Any:
                token_of(_connection(args), *scopes)
                return await endpoint(*args, **kwargs)

        else:

            @functools.wraps(endpoint)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                token_of(_connection(args), *scopes)
                return endpoint(*args, **kwargs)

        made: Callable[P, T] = guarded
        return made

    return around


def _connection(args: tuple[Any, ...]) -> HTTPConnection:
    """The first argument, or the second one of a method of HTTPEndpoint."""
    return next(argument for argument in args if isinstance(argument, Request | WebSocket))


def _refused(connection: HTTPConnection, refusal: Refusal, scopes: tuple[str, ...]) -> Exception:
    if connection.scope["type"] == "websocket":
        return WebSocketException(_POLICY_VIOLATION, refusal.description)
    status = 403 if refusal.cause is Cause.INSUFFICIENT_SCOPE else 401
    headers = {"WWW-Authenticate": ", ".join(challenges(refusal, _REALM, scopes, takes_proofs=False))}
    return HTTPException(status, refusal.description, headers)
