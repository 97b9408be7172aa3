"""The BFF: what the phone calls. The phone keeps two tokens; the secret that tokensvc knows stays here.

The refresh token travels in JSON bodies, because a phone has a safe place for it. A browser has none: a BFF for one
keeps the refresh token in a cookie (HttpOnly, Secure, SameSite=Strict, Path=/refresh) or in a session of its own,
gives no token to JavaScript, and refuses requests whose header Origin is not its own.
"""

import json
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tokensvc_client import (
    AsyncTokenClient,
    ClientContext,
    Credentials,
    Device,
    InvalidRequestError,
    SessionNotFoundError,
    Tokens,
    TokenServiceError,
)
from tokensvc_client.guards import BearerAuth
from tokensvc_client.relay import Action, AsyncRefreshRelay, RefreshRefusedError
from tokensvc_client.revocations import AsyncRevocationFeed
from tokensvc_client.starlette import requires, token_of
from tokensvc_client.verification import AsyncClientSource, AsyncTokenVerifier

from examples.bff.passwords import is_right

APP, AUDIENCE = "shop-app", "shop-bff"
MOST_BYTES = 64 * 1024  # of a body

_log = logging.getLogger(__name__)


class Bff:
    """The endpoints."""

    def __init__(self, client: AsyncTokenClient) -> None:
        self._client = client
        self._relay = AsyncRefreshRelay(client)

    async def login(self, request: Request) -> Response:
        """A session for a device of a user."""
        said = await fields(request, "user", "password", "device_id", "device_name")
        if not is_right(said["user"], said["password"]):
            raise HTTPException(401, "user or password is wrong")
        device = Device(id=said["device_id"], name=said["device_name"])
        tokens = await self._client.issue(subject=said["user"], client_id=APP, device=device, context=context(request))
        return answer(tokens)

    async def refresh(self, request: Request) -> Response:
        """The next tokens, or what the phone is to do instead."""
        said = await fields(request, "refresh_token", "device_id")
        try:
            tokens = await self._relay.refresh(
                said["refresh_token"], client_id=APP, device_id=said["device_id"], context=context(request)
            )
        except RefreshRefusedError as refused:
            _log.warning("refresh refused: %s", refused.__cause__)
            body = {"action": refused.action.name.lower()}
            if refused.action is Action.RETRY:
                return JSONResponse(body, 503, {"Retry-After": str(math.ceil(refused.retry_after.total_seconds()))})
            return JSONResponse(body, 401)
        return answer(tokens)

    async def logout(self, request: Request) -> Response:
        """The end of the session. It needs no access token: that may have expired."""
        said = await fields(request, "refresh_token")
        await self._client.revoke(token=said["refresh_token"], reason="logout")
        return Response(status_code=204)

    @requires("profile")
    async def me(self, request: Request) -> Response:
        """Who the token says that it is."""
        token = token_of(request)
        return JSONResponse({"user": token.subject, "device_id": token.device_id})

    @requires("profile")
    async def devices(self, request: Request) -> Response:
        """Where the user is signed in: the newest 100 sessions."""
        token = token_of(request)
        page = await self._client.list_sessions(subject=token.subject, current_session_id=token.session_id)
        return JSONResponse(
            [
                {
                    "session_id": session.session_id,
                    "name": session.device.name if session.device else "",
                    "last_used_at": session.last_used_at.isoformat() if session.last_used_at else None,
                    "current": session.current,
                }
                for session in page.sessions
            ]
        )

    @requires("profile")
    async def sign_out(self, request: Request) -> Response:
        """The end of one of the user's sessions; those of others are not found."""
        session = await self._client.get_session(request.path_params["session_id"])
        if session.subject != token_of(request).subject:
            raise SessionNotFoundError("it is somebody else's")
        await self._client.revoke(session_id=session.session_id, reason="signed out by the user")
        return Response(status_code=204)


async def fields(request: Request, *names: str) -> dict[str, str]:
    """These fields of the JSON body, all of them strings; HTTPException 400 where one is not there."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MOST_BYTES:
            raise HTTPException(413, "the body is too long")
    try:
        body = json.loads(read)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in names):
        raise HTTPException(400, f"needed in a JSON object: {', '.join(names)}")
    return {name: body[name] for name in names}


def context(request: Request) -> ClientContext:
    """From where the phone calls. Behind a proxy the server has to know it: `uvicorn --proxy-headers`."""
    address = request.client.host if request.client else ""
    return ClientContext(ip=address, user_agent=request.headers.get("user-agent", ""))


def answer(tokens: Tokens) -> Response:
    """The tokens as the phone gets them (RFC 6749, 5.1)."""
    body = {
        "access_token": tokens.access_token,
        "token_type": tokens.token_type,
        "expires_in": int(tokens.expires_in.total_seconds()),
        "refresh_token": tokens.refresh_token,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


async def not_found(request: Request, error: Exception) -> Response:
    """There is no such session of this user."""
    return JSONResponse({"error": "there is no such session"}, 404)


async def bad_request(request: Request, error: Exception) -> Response:
    """What the phone says of itself cannot be so, such as a device_id that is too long."""
    return JSONResponse({"error": "the request is malformed"}, 400)


async def unavailable(request: Request, error: Exception) -> Response:
    """The token service did not do what it was asked for: why is for our log, not for the phone."""
    _log.error("the token service: %s", error)
    return JSONResponse({"error": "try again later"}, 503, {"Retry-After": "1"})


def make_app(token_service: str, issuer: str, credentials: Credentials) -> Starlette:
    """The application. `credentials` are of a client that acts for the phone's."""
    client = AsyncTokenClient(token_service, credentials=credentials)
    source = AsyncClientSource(client)
    feed = AsyncRevocationFeed(source)
    bff = Bff(client)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with client, feed:
            await feed.wait_until_fresh(timeout=10)
            yield

    guard: Any = Middleware(
        BearerAuth,
        verifier=AsyncTokenVerifier(issuer, source, feed),
        audience=AUDIENCE,
        open_paths=("/login", "/refresh", "/logout"),
    )
    routes = [
        Route("/login", bff.login, methods=["POST"]),
        Route("/refresh", bff.refresh, methods=["POST"]),
        Route("/logout", bff.logout, methods=["POST"]),
        Route("/me", bff.me),
        Route("/devices", bff.devices),
        Route("/devices/{session_id}", bff.sign_out, methods=["DELETE"]),
    ]
    handlers = {
        SessionNotFoundError: not_found,
        InvalidRequestError: bad_request,
        TokenServiceError: unavailable,
    }
    return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers, lifespan=lifespan)
