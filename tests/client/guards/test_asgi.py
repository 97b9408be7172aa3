"""What a guarded ASGI application lets through, and how it refuses (RFC 6750, RFC 9449)."""

from typing import Any

import httpx2 as httpx
import pytest
from tokensvc_client.guards import BearerAuth, current_token

from tests.certificates import Authority
from tests.client.guards.scene import AUDIENCE, ORIGIN, Scene


async def shop(scope: Any, receive: Any, send: Any) -> None:
    """An application without a framework: it answers what it is told of its caller, in three ways."""
    if scope["path"] == "/open":
        said = "welcome"
    else:
        said = " ".join((scope["auth"].subject, scope["state"]["token"].subject, current_token().subject))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": said.encode()})


@pytest.fixture
def guarded(scene: Scene) -> BearerAuth:
    """The application behind its guard."""
    return BearerAuth(
        shop, scene.async_verifier, audience=AUDIENCE, scopes=("read",), open_paths=("/open",), origin=ORIGIN
    )


@pytest.fixture
def web(guarded: BearerAuth) -> httpx.AsyncClient:
    """Who asks it over HTTP."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://10.0.0.7:8000")


async def test_a_good_token_is_let_through(web: httpx.AsyncClient, scene: Scene) -> None:
    """The application finds what the token says wherever frameworks look for it."""
    answer = await web.get("/orders", headers=scene.bearer())
    assert (answer.status_code, answer.text) == (200, "ada ada ada")


async def test_the_case_of_the_scheme_does_not_count(web: httpx.AsyncClient, scene: Scene) -> None:
    """As in all of HTTP (RFC 9110, 11.1)."""
    answer = await web.get("/orders", headers={"authorization": f"bEARER {scene.token()}"})
    assert answer.status_code == 200


async def test_who_shows_nothing_is_told_what_is_wanted(web: httpx.AsyncClient) -> None:
    """Both schemes are offered, and no error is named (RFC 6750, 3.1)."""
    answer = await web.get("/orders")
    assert answer.status_code == 401
    assert answer.headers.get_list("www-authenticate") == [
        'Bearer realm="shop-api", scope="read"',
        'DPoP realm="shop-api", scope="read", algs="ES256 ES384 EdDSA RS256 PS256"',
    ]


async def test_a_bad_token_is_invalid(web: httpx.AsyncClient, scene: Scene) -> None:
    """Whatever is wrong with it (RFC 6750, 3.1: invalid_token)."""
    headers = scene.bearer()
    scene.expire()
    answer = await web.get("/orders", headers=headers)
    assert answer.status_code == 401
    assert answer.headers.get_list("www-authenticate")[0] == (
        'Bearer realm="shop-api", error="invalid_token", error_description="the token has expired", scope="read"'
    )


async def test_a_token_that_lacks_a_scope_is_forbidden(web: httpx.AsyncClient, scene: Scene) -> None:
    """The answer names the scopes that are needed (RFC 6750, 3.1: insufficient_scope)."""
    answer = await web.get("/orders", headers=scene.bearer("ada", "write"))
    assert answer.status_code == 403
    challenge = answer.headers.get_list("www-authenticate")[0]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="read"' in challenge


async def test_a_malformed_header_is_a_bad_request(web: httpx.AsyncClient) -> None:
    """It is the request that is wrong, not the token (RFC 6750, 3.1: invalid_request)."""
    answer = await web.get("/orders", headers={"authorization": "Bearer a b"})
    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


async def test_what_cannot_be_verified_now_is_unavailable(web: httpx.AsyncClient, scene: Scene) -> None:
    """The client is told when to come again, and nothing of its token."""
    scene.feed.is_stale = True
    answer = await web.get("/orders", headers=scene.bearer())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "www-authenticate" not in answer.headers


async def test_an_open_path_needs_no_token(web: httpx.AsyncClient) -> None:
    """It, and nothing below it."""
    assert (await web.get("/open")).text == "welcome"
    assert (await web.get("/open/")).status_code == 401


async def test_a_bound_token_comes_with_a_proof_for_the_request(web: httpx.AsyncClient, scene: Scene) -> None:
    """The proof is for the URI that the phone has used, whatever address a proxy has asked; it works once."""
    headers = scene.proven("GET", f"{ORIGIN}/orders/caf%C3%A9")
    assert (await web.get("/orders/café?page=2", headers=headers)).status_code == 200
    again = await web.get("/orders/café?page=2", headers=headers)
    assert again.status_code == 401
    bearer, dpop = again.headers.get_list("www-authenticate")
    assert "error" not in bearer
    assert 'error="invalid_dpop_proof"' in dpop


async def test_a_bound_token_without_a_proof_is_refused(web: httpx.AsyncClient, scene: Scene) -> None:
    """The scheme DPoP needs the header DPoP."""
    answer = await web.get("/orders", headers={"authorization": f"DPoP {scene.bound_token()}"})
    assert 'error="invalid_dpop_proof"' in answer.headers.get_list("www-authenticate")[1]


async def test_a_bound_token_is_no_bearer_token(web: httpx.AsyncClient, scene: Scene) -> None:
    """A token that is presented as if it were not bound is refused (RFC 9449, 7.2)."""
    answer = await web.get("/orders", headers={"authorization": f"Bearer {scene.bound_token()}"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers.get_list("www-authenticate")[0]


async def test_a_token_that_is_bound_to_a_certificate_needs_its_connection(guarded: BearerAuth, scene: Scene) -> None:
    """The certificate is that of the connection, as the server says by the extension for TLS."""
    mine, other = Authority().client(), Authority().client()
    headers = scene.certified(mine.der)
    assert await status(guarded, headers, mine.chain) == 200
    assert await status(guarded, headers, other.chain) == 401
    assert await status(guarded, headers, None) == 401


async def test_a_websocket_is_closed_before_it_opens(guarded: BearerAuth) -> None:
    """Where the server cannot send an answer of HTTP, the handshake is refused."""
    sent = await connect(guarded, {}, extensions={})
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


async def test_a_websocket_is_answered_as_a_request_is(guarded: BearerAuth) -> None:
    """Where the server can, the client sees what is wanted."""
    start, body = await connect(guarded, {}, extensions={"websocket.http.response": {}})
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert dict(start["headers"])[b"www-authenticate"].startswith(b"DPoP")
    assert body["type"] == "websocket.http.response.body"


async def test_after_a_request_nobody_calls(guarded: BearerAuth, scene: Scene) -> None:
    """What a request has shown is gone with it, also where the server's task goes on."""
    assert await status(guarded, scene.bearer(), None) == 200
    with pytest.raises(LookupError):
        current_token()


async def test_the_life_of_the_application_is_not_guarded() -> None:
    """The server's own messages have no token."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    nobody: Any = None
    await BearerAuth(app, nobody, audience=AUDIENCE)({"type": "lifespan"}, nobody, nobody)
    assert seen == ["lifespan"]


async def served(app: BearerAuth, scope: dict[str, Any]) -> list[Any]:
    """All that is sent to one connection."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is to be read")

    await app(scope, receive, send)
    return sent


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as servers give them."""
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def status(app: BearerAuth, headers: dict[str, str], chain: bytes | None) -> int:
    """What a request is answered that came over a connection with a certificate."""
    tls = {"client_cert_chain": [chain.decode()] if chain else []}
    scope = {"type": "http", "method": "GET", "path": "/orders", "headers": raw(headers), "extensions": {"tls": tls}}
    return int((await served(app, scope))[0]["status"])


async def connect(app: BearerAuth, headers: dict[str, str], extensions: dict[str, Any]) -> list[Any]:
    """What a WebSocket is told that begins with these headers."""
    return await served(app, {"type": "websocket", "path": "/feed", "headers": raw(headers), "extensions": extensions})
