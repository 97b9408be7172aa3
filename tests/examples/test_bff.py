"""The BFF, against a token service; where that has to be in trouble, against the fake."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import pytest
from tokensvc_client import Client, ClientType, Secret, TokenPolicy
from tokensvc_client.testing import FakeTokenService

from examples.bff.__main__ import PERMISSIONS
from examples.bff.app import APP, AUDIENCE, make_app
from examples.stage import ISSUER, Stage


@pytest.fixture(scope="module")
def credentials(stage: Stage) -> Secret:
    """The BFF's, which acts for the app."""
    policy = TokenPolicy(scopes=("profile",), audiences=(AUDIENCE,))
    stage.register(Client(APP, type=ClientType.PUBLIC, token_policy=policy))
    return stage.register(Client("shop-bff", permissions=PERMISSIONS, acts_for=(APP,)))


@asynccontextmanager
async def called(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Start the application; answer who calls it over HTTP."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bff") as web,
    ):
        yield web


@pytest.fixture
async def web(stage: Stage, credentials: Secret) -> AsyncIterator[httpx.AsyncClient]:
    """A phone's connection."""
    async with called(make_app(stage.address, ISSUER, credentials)) as opened:
        yield opened


async def login(web: httpx.AsyncClient, user: str, device: str) -> dict[str, Any]:
    """Log in; answer the tokens."""
    passwords = {"ada": "lovelace", "grace": "hopper"}
    body = {"user": user, "password": passwords[user], "device_id": device, "device_name": device}
    answer = await web.post("/login", json=body)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    tokens: dict[str, Any] = answer.json()
    return tokens


async def refresh(web: httpx.AsyncClient, tokens: dict[str, Any], device: str) -> httpx.Response:
    """Refresh as the app does."""
    return await web.post("/refresh", json={"refresh_token": tokens["refresh_token"], "device_id": device})


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """The headers of who shows the access token."""
    return {"authorization": f"Bearer {tokens['access_token']}"}


async def test_a_user_signs_in_and_is_known(web: httpx.AsyncClient) -> None:
    """By what the token says, on the device that it was made for."""
    tokens = await login(web, "ada", "phone")
    assert (await web.get("/me", headers=bearer(tokens))).json() == {"user": "ada", "device_id": "phone"}
    assert (await web.get("/me")).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"user": "ada", "password": "wrong", "device_id": "1", "device_name": "1"}, 401),
        ({"user": "nobody", "password": "", "device_id": "1", "device_name": "1"}, 401),
        ({"user": "ada", "password": 7, "device_id": "1", "device_name": "1"}, 400),
        (["ada"], 400),
        ({"user": "ada", "password": "lovelace", "device_id": "1" * 1000, "device_name": "1"}, 400),
        ({"user": "ada", "password": "l" * 70_000, "device_id": "1", "device_name": "1"}, 413),
    ],
)
async def test_who_cannot_sign_in(web: httpx.AsyncClient, body: Any, status: int) -> None:
    """A wrong password, a user that is not there, what is no login at all, and what is too long."""
    assert (await web.post("/login", json=body)).status_code == status


async def test_a_repeated_refresh_gets_the_same(web: httpx.AsyncClient) -> None:
    """The answer to the first one may have been lost."""
    tokens = await login(web, "ada", "phone")
    first, again = await refresh(web, tokens, "phone"), await refresh(web, tokens, "phone")
    assert first.status_code == again.status_code == 200
    assert first.json()["refresh_token"] == again.json()["refresh_token"] != tokens["refresh_token"]


async def test_a_used_token_that_comes_back_is_an_alarm(web: httpx.AsyncClient) -> None:
    """The session has ended for whoever has the newest tokens, too."""
    first = await login(web, "ada", "phone")
    second = (await refresh(web, first, "phone")).json()
    third = (await refresh(web, second, "phone")).json()
    stolen = await refresh(web, first, "phone")
    assert (stolen.status_code, stolen.json()) == (401, {"action": "alarm"})
    after = await refresh(web, third, "phone")
    assert (after.status_code, after.json()) == (401, {"action": "log_in_again"})


async def test_a_user_signs_out_another_device(web: httpx.AsyncClient) -> None:
    """Which is not the current one, and has to log in again."""
    phone, tablet = await login(web, "grace", "phone"), await login(web, "grace", "tablet")
    devices = (await web.get("/devices", headers=bearer(phone))).json()
    assert [(device["name"], device["current"]) for device in devices] == [("tablet", False), ("phone", True)]
    gone = await web.delete(f"/devices/{devices[0]['session_id']}", headers=bearer(phone))
    assert gone.status_code == 204
    assert (await refresh(web, tablet, "tablet")).json() == {"action": "log_in_again"}
    assert (await refresh(web, phone, "phone")).status_code == 200


async def test_the_sessions_of_others_are_not_found(web: httpx.AsyncClient) -> None:
    """As those that do not exist."""
    ada, grace = await login(web, "ada", "phone"), await login(web, "grace", "phone")
    hers = (await web.get("/devices", headers=bearer(grace))).json()[0]["session_id"]
    for session_id in (hers, "nonsense"):
        assert (await web.delete(f"/devices/{session_id}", headers=bearer(ada))).status_code == 404
    assert (await refresh(web, grace, "phone")).status_code == 200


async def test_who_logs_out_is_out(web: httpx.AsyncClient) -> None:
    """It needs the refresh token alone."""
    tokens = await login(web, "ada", "phone")
    assert (await web.post("/logout", json={"refresh_token": tokens["refresh_token"]})).status_code == 204
    assert (await refresh(web, tokens, "phone")).json() == {"action": "log_in_again"}


async def test_trouble_of_the_token_service_logs_nobody_out() -> None:
    """The phone is told when to come again; so is who logs in."""
    with FakeTokenService() as fake:
        fake.add_client(APP, scopes=["profile"], audiences=[AUDIENCE])
        fake.add_client("shop-bff", secret="s")
        async with called(make_app(fake.target, fake.issuer, Secret("shop-bff", "s"))) as web:
            tokens = await login(web, "ada", "phone")
            fake.fail_next("Refresh", "OVERLOADED", retry_after=2)
            refused = await refresh(web, tokens, "phone")
            assert (refused.status_code, refused.json()) == (503, {"action": "retry"})
            assert refused.headers["retry-after"] == "2"
            fake.fail_next("Issue", "OVERLOADED")
            body = {"user": "ada", "password": "lovelace", "device_id": "1", "device_name": "1"}
            assert (await web.post("/login", json=body)).status_code == 503
            assert (await refresh(web, tokens, "phone")).status_code == 200
