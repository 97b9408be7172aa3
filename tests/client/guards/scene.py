"""A token service, verifiers that trust it, and a phone with a key: what stands before and behind guards under test."""

import hashlib
import math
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tokensvc_client import Jwks, TokenClient
from tokensvc_client.revocations.view import RevocationView
from tokensvc_client.testing import FakeTokenService
from tokensvc_client.verification import AsyncTokenVerifier, ClientSource, TokenVerifier

from tests.crypto.forging import base64url
from tests.proofs import Phone

AUDIENCE = "shop-api"
ORIGIN = "https://shop.test"


@dataclass
class Feed:
    """A feed that is as new as the test says."""

    view: RevocationView = field(default_factory=RevocationView)
    key_changes: int = 0
    is_stale: bool = False

    @property
    def synchronised_at(self) -> float:
        """By the clock of verifiers."""
        return -math.inf if self.is_stale else time.monotonic()


class AsyncKeys:
    """Keys for a verifier in whatever loop runs: they are fetched once."""

    def __init__(self, source: ClientSource) -> None:
        self._source = source

    async def get_jwks(self) -> Jwks:
        """As the protocol says."""
        return self._source.get_jwks()

    async def is_active(self, token: str) -> bool:
        """Nobody asks."""
        raise NotImplementedError


class Scene:
    """A shop, whose callers are authorised by the tokens of `fake`; `client` calls it."""

    def __init__(self, fake: FakeTokenService, client: TokenClient) -> None:
        self.fake = fake
        self.feed = Feed()
        self.phone = Phone()
        keys = ClientSource(client)
        self.verifier = TokenVerifier(fake.issuer, keys, self.feed, epoch_clock=fake.clock)
        self.async_verifier = AsyncTokenVerifier(fake.issuer, AsyncKeys(keys), self.feed, epoch_clock=fake.clock)

    def token(self, subject: str = "ada", *scopes: str, audience: str = AUDIENCE, **fields: Any) -> str:
        """An access token."""
        return self.fake.issue(subject, scopes=scopes or ("read",), audiences=(audience,), **fields).access_token

    def bearer(self, *args: Any, **fields: Any) -> dict[str, str]:
        """The headers of who presents such a token."""
        return {"authorization": f"Bearer {self.token(*args, **fields)}"}

    def bound_token(self) -> str:
        """A token that is bound to the phone's key."""
        return self.token(confirmation={"jkt": self.phone.jkt})

    def proven(self, method: str, uri: str) -> dict[str, str]:
        """The headers of the phone that presents a token of its own with a proof for a request."""
        token = self.bound_token()
        proof = self.phone.proof_with(token, htm=method, htu=uri, iat=int(self.fake.clock()))
        return {"authorization": f"DPoP {token}", "dpop": proof}

    def certified(self, certificate: bytes) -> dict[str, str]:
        """The headers of who presents a token that is bound to a certificate, in DER."""
        thumbprint = base64url(hashlib.sha256(certificate).digest())
        return self.bearer(confirmation={"x5t_s256": thumbprint})

    def expire(self) -> None:
        """Let every access token expire that there is."""
        self.fake.clock.advance(timedelta(hours=1))
