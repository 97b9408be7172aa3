"""Everything together: what ends a token at the service ends it at the guard, without a call for each request."""

from collections import Counter

import grpc.aio
import httpx2 as httpx
import pytest
from tokensvc_client import AsyncTokenClient, Secret, TokenClient
from tokensvc_client.guards import BearerAuth, RequireToken
from tokensvc_client.revocations import AsyncRevocationFeed, RevocationFeed
from tokensvc_client.verification import AsyncClientSource, AsyncTokenVerifier, ClientSource, TokenVerifier

from tests.client.guards.scene import AUDIENCE, Scene
from tests.client.guards.shop import call, serving
from tests.client.guards.test_asgi import shop
from tests.client.waiting import until

ME = Secret("shop", "secret")


async def test_a_grpc_server_follows_revocations(scene: Scene) -> None:
    """The session's end reaches the server by the stream; nothing is introspected."""
    fake = scene.fake
    with TokenClient(fake.target, credentials=ME) as client:
        source = ClientSource(client)
        with RevocationFeed(source) as feed:
            feed.wait_until_fresh(timeout=10)
            guard = RequireToken(TokenVerifier(fake.issuer, source, feed), audience=AUDIENCE)
            headers = scene.bearer("ada")
            async with serving(guard) as target, grpc.aio.insecure_channel(target) as channel:
                assert await call(channel, "Order", headers) == [b"ada"]
                revision = fake.revoke(subject="ada")
                await until(lambda: feed.revision >= revision)
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await call(channel, "Order", headers)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert Counter(received.method for received in fake.requests)["Introspect"] == 0


async def test_a_web_application_follows_revocations(scene: Scene) -> None:
    """The same for ASGI."""
    fake = scene.fake
    async with AsyncTokenClient(fake.target, credentials=ME) as client:
        source = AsyncClientSource(client)
        async with AsyncRevocationFeed(source) as feed:
            await feed.wait_until_fresh(timeout=10)
            app = BearerAuth(shop, AsyncTokenVerifier(fake.issuer, source, feed), audience=AUDIENCE)
            headers = scene.bearer("ada")
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as web:
                assert (await web.get("/orders", headers=headers)).status_code == 200
                revision = fake.revoke(subject="ada")
                await until(lambda: feed.revision >= revision)
                assert (await web.get("/orders", headers=headers)).status_code == 401
