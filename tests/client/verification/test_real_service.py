"""Both verifiers, over the library's clients, against the service itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tokensvc_client import AsyncTokenClient, KeyPurpose, Secret, TokenClient
from tokensvc_client.revocations import AsyncRevocationFeed, RevocationFeed
from tokensvc_client.verification import (
    AsyncClientSource,
    AsyncTokenVerifier,
    ClientSource,
    InvalidTokenError,
    RevokedTokenError,
    TokenVerifier,
    UnverifiableError,
    VerificationPolicy,
    WhenStale,
)

from tests.harness import ISSUER, Service, running_service
from tests.rpc.steps import until
from tokensvc.domain.client import Permission

LIMIT = 20.0


class WallClock:
    """The time: the library measures how old its knowledge is by clocks that go on."""

    @property
    def now(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service in real time."""
    clock: Any = WallClock()
    async with running_service(tmp_path, memory=True, clock=clock) as running:
        yield running


@pytest.fixture
async def client(service: Service) -> AsyncIterator[AsyncTokenClient]:
    """One who may do everything but administer."""
    async with AsyncTokenClient(f"127.0.0.1:{service.port}", credentials=await _secret(service)) as made:
        yield made


@pytest.fixture
async def admin(service: Service) -> AsyncIterator[AsyncTokenClient]:
    """One who administers."""
    secret = await _secret(service, "admin", permissions=frozenset({Permission.ADMIN}))
    async with AsyncTokenClient(f"127.0.0.1:{service.port}", credentials=secret) as made:
        yield made


async def _secret(service: Service, client_id: str = "bff", **fields: Any) -> Secret:
    caller = await service.caller(client_id, **fields)
    return Secret(caller.client_id, caller.secret)


async def test_a_token_lives_until_it_is_revoked(client: AsyncTokenClient) -> None:
    """It is accepted here, and some milliseconds after Revoke has answered it is refused, without a call for either."""
    source = AsyncClientSource(client)
    token = (await client.issue(subject="ada", audiences=["api"])).access_token
    async with AsyncRevocationFeed(source) as feed:
        verifier = AsyncTokenVerifier(ISSUER, source, feed)
        await feed.wait_until_fresh(LIMIT)
        assert (await verifier.verify(token, audience="api", scopes=["read"])).subject == "ada"
        revision = (await client.revoke(subject="ada")).revision
        await until(lambda: feed.revision >= revision)
        with pytest.raises(RevokedTokenError):
            await verifier.verify(token, audience="api")


async def test_the_same_for_threads(service: Service) -> None:
    """The client for threads, the feed in a thread, the verifier called from any."""
    secret = await _secret(service)

    def story() -> None:
        with TokenClient(f"127.0.0.1:{service.port}", credentials=secret) as client:
            source = ClientSource(client)
            token = client.issue(subject="ada", audiences=["api"]).access_token
            with RevocationFeed(source) as feed:
                verifier = TokenVerifier(ISSUER, source, feed)
                feed.wait_until_fresh(LIMIT)
                assert verifier.verify(token, audience="api").subject == "ada"
                revision, deadline = client.revoke(subject="ada").revision, time.monotonic() + LIMIT
                while feed.revision < revision:
                    assert time.monotonic() < deadline
                    time.sleep(0.001)  # the feed tells nobody how far it is
                with pytest.raises(RevokedTokenError):
                    verifier.verify(token, audience="api")

    await asyncio.to_thread(story)


async def test_it_stays_fresh_while_nothing_happens(client: AsyncTokenClient) -> None:
    """Heartbeats keep it so: after more than a second of silence, what is known is less than a second old."""
    async with AsyncRevocationFeed(AsyncClientSource(client)) as feed:
        await feed.wait_until_fresh(LIMIT)
        first = feed.synchronised_at
        await until(lambda: feed.synchronised_at > first + 1.2)
        await feed.wait_until_fresh(LIMIT, max_staleness=0.9)


async def test_who_has_no_feed_asks(client: AsyncTokenClient) -> None:
    """Before the first snapshot, or without one, tokens are introspected where the policy says so."""
    source = AsyncClientSource(client)
    feed = AsyncRevocationFeed(source)
    token = (await client.issue(subject="ada", audiences=["api"])).access_token
    asking = AsyncTokenVerifier(ISSUER, source, feed, VerificationPolicy(when_stale=WhenStale.ASK))
    assert (await asking.verify(token, audience="api")).subject == "ada"
    await client.revoke(subject="ada")
    with pytest.raises(RevokedTokenError):
        await asking.verify(token, audience="api")


async def test_a_revoked_key_ends_its_tokens(client: AsyncTokenClient, admin: AsyncTokenClient) -> None:
    """The stream tells of it, the keys are fetched, and what it has signed is not genuine any more."""
    source = AsyncClientSource(client)
    async with AsyncRevocationFeed(source) as feed:
        verifier = AsyncTokenVerifier(ISSUER, source, feed)
        await feed.wait_until_fresh(LIMIT)
        token = (await client.issue(subject="ada", audiences=["api"])).access_token
        assert await verifier.verify(token, audience="api")
        changes = feed.key_changes
        (key,) = [key for key in await admin.list_keys() if key.purpose is KeyPurpose.SIGNING]
        await admin.revoke_key(key_id=key.key_id, purpose=KeyPurpose.SIGNING)
        await until(lambda: feed.key_changes > changes)
        with pytest.raises(InvalidTokenError):
            await verifier.verify(token, audience="api")
        fresh = (await client.issue(subject="ada", audiences=["api"])).access_token
        assert await verifier.verify(fresh, audience="api")


async def test_without_the_permission_nothing_is_known(service: Service) -> None:
    """Who may not watch is never fresh, and accepts nothing."""
    secret = await _secret(service, permissions=frozenset({Permission.ISSUE}))
    async with AsyncTokenClient(f"127.0.0.1:{service.port}", credentials=secret) as client:
        source = AsyncClientSource(client)
        token = (await client.issue(subject="ada", audiences=["api"])).access_token
        async with AsyncRevocationFeed(source) as feed:
            with pytest.raises(TimeoutError):
                await feed.wait_until_fresh(0.3)
            with pytest.raises(UnverifiableError):
                await AsyncTokenVerifier(ISSUER, source, feed).verify(token, audience="api")
