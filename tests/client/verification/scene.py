"""A verifier whose clocks, feed and service are in the test's hands, for threads or for asyncio."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tokensvc_client import Jwks
from tokensvc_client.revocations.feed import Feed
from tokensvc_client.revocations.following import Following, Patience
from tokensvc_client.verification import (
    AsyncTokenVerifier,
    JwksUnavailableError,
    TokenVerifier,
    UnverifiableError,
    VerificationPolicy,
    VerifiedToken,
)

from tests.client.revocations.messages import NOW, revocation, told
from tests.crypto.forging import Forger, new_key
from tests.harness import ISSUER
from tokensvc.crypto.key_ring import SigningKey

KEY = new_key()
FORGER = Forger(KEY)
MAX_AGE = timedelta(minutes=5)


@dataclass
class FakeService:
    """GetJwks and Introspect. What `fails` cannot be reached."""

    keys: list[SigningKey]
    active: set[str] = field(default_factory=set)
    fails: bool = False
    fetches: int = 0
    introspections: int = 0

    def get_jwks(self) -> Jwks:
        """The public keys."""
        self.fetches += 1
        if self.fails:
            raise JwksUnavailableError
        return Jwks(json.dumps({"keys": [json.loads(key.public_jwk) for key in self.keys]}), MAX_AGE)

    def is_active(self, token: str) -> bool:
        """Introspect."""
        self.introspections += 1
        if self.fails:
            raise UnverifiableError("no answer")
        return token in self.active


@dataclass
class AsyncFakeService:
    """The same for asyncio."""

    inner: FakeService

    async def get_jwks(self) -> Jwks:
        """The public keys."""
        await asyncio.sleep(0)
        return self.inner.get_jwks()

    async def is_active(self, token: str) -> bool:
        """Introspect."""
        await asyncio.sleep(0)
        return self.inner.is_active(token)


class Scene:
    """`verify` is that of TokenVerifier, or of AsyncTokenVerifier in a loop that runs meanwhile."""

    def __init__(self, policy: VerificationPolicy, *, is_async: bool = False) -> None:
        self.elapsed = 100.0
        self.service = FakeService([KEY])
        self.following = Following(lambda: 1.0, Patience())
        self.feed = Feed(self.following, lambda: self.elapsed)
        clocks: Any = {"clock": lambda: self.elapsed, "epoch_clock": lambda: NOW - 100.0 + self.elapsed}
        self._loop = asyncio.new_event_loop() if is_async else None
        self.async_verifier = AsyncTokenVerifier(ISSUER, AsyncFakeService(self.service), self.feed, policy, **clocks)
        self.verifier = TokenVerifier(ISSUER, self.service, self.feed, policy, **clocks)
        self.following.begin(self.elapsed)
        self.hear()

    def verify(self, token: str, audience: str = "api", **wanted: Any) -> VerifiedToken:
        """Verify, and let what was begun beside come to its end."""
        if self._loop is None:
            return self.verifier.verify(token, audience=audience, **wanted)
        return self._loop.run_until_complete(self._verify(token, audience, wanted))

    async def _verify(self, token: str, audience: str, wanted: dict[str, Any]) -> VerifiedToken:
        try:
            return await self.async_verifier.verify(token, audience=audience, **wanted)
        finally:
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    def hear(self, *revocations: Any, keys_changed: bool = False) -> None:
        """The feed is told."""
        revision = self.following.revision + len(revocations)
        looked_at = NOW - 100.0 + self.elapsed
        message = told(*revocations, revision=revision, looked_at=looked_at, keys_changed=keys_changed)
        self.following.receive(message, self.elapsed)

    def revoke(self, **target: Any) -> None:
        """The feed is told of a revocation."""
        self.hear(revocation(self.following.revision + 1, **target))

    def advance(self, seconds: float, *, fresh: bool = True) -> None:
        """Time passes; the feed stays `fresh`, or hears nothing."""
        self.elapsed += seconds
        if fresh:
            self.hear()

    def close(self) -> None:
        """Close the loop."""
        if self._loop is not None:
            self._loop.close()
