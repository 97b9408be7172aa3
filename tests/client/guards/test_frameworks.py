"""What endpoints of Starlette and FastAPI can say of the token that they need."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from tokensvc_client import fastapi as for_fastapi
from tokensvc_client import starlette as for_starlette
from tokensvc_client.guards import BearerAuth, current_token
from tokensvc_client.verification import VerifiedToken

from tests.client.guards.scene import AUDIENCE, ORIGIN, Scene

Caller = Annotated[VerifiedToken, Depends(for_fastapi.requires("write"))]


def starlette_shop(scene: Scene) -> Any:
    """Endpoints of both kinds, and a WebSocket."""

    @for_starlette.requires("write")
    async def create(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.token.subject)

    @for_starlette.requires("write")
    def create_in_a_thread(request: Request) -> PlainTextResponse:
        return PlainTextResponse(current_token().subject)

    @for_starlette.requires("write")
    async def feed(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.auth.subject)
        await websocket.close()

    guard = Middleware(BearerAuth, verifier=scene.async_verifier, audience=AUDIENCE, origin=ORIGIN)
    routes = [
        Route("/create", create),
        Route("/thread", create_in_a_thread),
        WebSocketRoute("/feed", feed),
    ]
    return Starlette(routes=routes, middleware=[guard])


def fastapi_shop(scene: Scene) -> Any:
    """The same with dependencies."""
    app = FastAPI()
    app.add_middleware(
        BearerAuth,
        verifier=scene.async_verifier,
        audience=AUDIENCE,
        open_paths=("/openapi.json", "/unguarded"),
        origin=ORIGIN,
    )

    @app.get("/create")
    async def create(token: Caller) -> Any:
        return PlainTextResponse(token.subject)

    @app.get("/thread")
    def create_in_a_thread(token: Caller) -> Any:
        return PlainTextResponse(current_token().subject)

    @app.get("/unguarded")
    async def unguarded(token: Caller) -> Any:
        return PlainTextResponse(token.subject)

    @app.websocket("/feed")
    async def feed(websocket: WebSocket, token: Caller) -> None:
        await websocket.accept()
        await websocket.send_text(token.subject)
        await websocket.close()

    return app


@pytest.fixture(params=[starlette_shop, fastapi_shop], ids=["starlette", "fastapi"])
def web(request: pytest.FixtureRequest, scene: Scene) -> TestClient:
    """Who asks the shop."""
    return TestClient(request.param(scene))


@pytest.mark.parametrize("path", ["/create", "/thread"])
def test_an_endpoint_runs_for_a_token_with_its_scope(web: TestClient, scene: Scene, path: str) -> None:
    """Coroutines and functions in threads know by whom they are called."""
    assert web.get(path, headers=scene.bearer("ada", "write")).text == "ada"


@pytest.mark.parametrize("path", ["/create", "/thread"])
def test_an_endpoint_does_not_run_for_a_token_without_its_scope(web: TestClient, scene: Scene, path: str) -> None:
    """The answer is that of RFC 6750."""
    answer = web.get(path, headers=scene.bearer("ada", "read"))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="write"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("shop", [starlette_shop, fastapi_shop])
def test_a_bound_token_is_told_by_its_own_scheme_what_it_lacks(scene: Scene, shop: Any) -> None:
    """The challenge has the error where the client looks for it (RFC 9449, 7.1)."""
    answer = TestClient(shop(scene)).get("/create", headers=scene.proven("GET", f"{ORIGIN}/create"))
    assert answer.status_code == 403
    bearer, _, dpop = answer.headers["www-authenticate"].partition("DPoP ")
    assert "error" not in bearer
    assert 'error="insufficient_scope"' in dpop


def test_without_a_token_the_guard_refuses(web: TestClient) -> None:
    """No endpoint has a say in that."""
    assert web.get("/create").status_code == 401


def test_a_websocket_opens_for_a_token_with_its_scope(web: TestClient, scene: Scene) -> None:
    """It knows by whom it was opened."""
    with web.websocket_connect("/feed", headers=scene.bearer("ada", "write")) as websocket:
        assert websocket.receive_text() == "ada"


def test_a_websocket_does_not_open_for_a_token_without_its_scope(web: TestClient, scene: Scene) -> None:
    """It is closed as a violation of the policy."""
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        web.websocket_connect("/feed", headers=scene.bearer("ada", "read")),
    ):
        pass
    assert refused.value.code == 1008


def test_an_endpoint_on_an_open_path_may_need_a_token_all_the_same(scene: Scene) -> None:
    """To require a token fails closed where no guard stands before it."""
    answer = TestClient(fastapi_shop(scene)).get("/unguarded", headers=scene.bearer("ada", "write"))
    assert answer.status_code == 401


def test_the_documentation_says_that_a_token_is_needed(scene: Scene) -> None:
    """FastAPI's OpenAPI description has the scheme, and the operations name it."""
    described = TestClient(fastapi_shop(scene)).get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["tokensvc"]["scheme"] == "bearer"
    assert described["paths"]["/create"]["get"]["security"] == [{"tokensvc": []}]
