"""Owns the guard of an ASGI application: RFC 6750 for whatever framework it is made with."""

import ssl
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final
from urllib.parse import quote

from tokensvc_client.guards.admission import admitted
from tokensvc_client.guards.challenges import challenges
from tokensvc_client.guards.current import shown
from tokensvc_client.guards.presented import Request
from tokensvc_client.guards.refusal import RETRY_AFTER, Cause, Refusal
from tokensvc_client.guards.verifiers import AsyncVerifier

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_STATUSES: Final = {
    Cause.NO_TOKEN: 401,
    Cause.INVALID_REQUEST: 400,
    Cause.INVALID_TOKEN: 401,
    Cause.INVALID_DPOP_PROOF: 401,
    Cause.INSUFFICIENT_SCOPE: 403,
    Cause.UNVERIFIABLE: 503,
}
_REFUSED: Final = {"websocket": "websocket.http.response", "http": "http.response"}
_POLICY_VIOLATION: Final = 1008  # RFC 6455, 7.4.1


class BearerAuth:
    """Lets a request through that brings a token for `audience` with all `scopes`, and refuses others as RFC 6750 says.

    What the token says is `scope["auth"]`, `scope["state"]["token"]` and `current_token()`. HTTP and WebSockets are
    guarded alike. Requests by which browsers ask what they may send (CORS) have no token: answer them outside.
    """

    def __init__(
        self,
        app: App,
        verifier: AsyncVerifier,
        *,
        audience: str,
        scopes: Collection[str] = (),
        open_paths: Collection[str] = (),
        origin: str = "",
    ) -> None:
        """`open_paths` need no token: whole paths, as they stand in the ASGI scope.

        `origin` is under what callers reach the application, such as "https://orders.example.com". Without it tokens
        that are bound to a key by DPoP are refused, because what a request says of its host proves nothing.
        """
        self._app = app
        self._verifier = verifier
        self._audience = audience
        self._scopes = scopes
        self._open_paths = frozenset(open_paths)
        self._origin = origin

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan" or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        try:
            token = await admitted(self._request(scope), self._verifier, audience=self._audience, scopes=self._scopes)
        except Refusal as refusal:
            await self._refuse(refusal, scope, send)
            return
        scope["auth"] = token
        scope.setdefault("state", {})["token"] = token
        before = shown.set(token)
        try:
            await self._app(scope, receive, send)
        finally:
            shown.reset(before)

    def _request(self, scope: Message) -> Request:
        path = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
        return Request(
            authorization=_values(scope, b"authorization"),
            dpop=_values(scope, b"dpop"),
            method=scope.get("method", "GET"),  # a WebSocket begins with one (RFC 6455, 4.1)
            uri=self._origin + path.decode("ascii", "replace") if self._origin else "",
            certificate=_certificate(scope),
        )

    async def _refuse(self, refusal: Refusal, scope: Message, send: Send) -> None:
        status = _STATUSES[refusal.cause]
        headers: Headers = [(b"cache-control", b"no-store"), (b"content-length", b"0")]
        if refusal.cause is Cause.UNVERIFIABLE:
            headers.append((b"retry-after", str(RETRY_AFTER).encode()))
        else:
            said = challenges(refusal, self._audience, self._scopes, takes_proofs=bool(self._origin))
            headers.extend((b"www-authenticate", challenge.encode("ascii")) for challenge in said)
        kind = _REFUSED[scope["type"]]
        if kind != "http.response" and kind not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refusal.description})
            return
        await send({"type": f"{kind}.start", "status": status, "headers": headers})
        await send({"type": f"{kind}.body", "body": b""})


def _values(scope: Message, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _certificate(scope: Message) -> bytes | None:
    """That of the other end of the connection, from servers that have the extension for it."""
    chain = (scope.get("extensions") or {}).get("tls", {}).get("client_cert_chain") or ()
    return next((ssl.PEM_cert_to_DER_cert(pem) for pem in chain), None)
