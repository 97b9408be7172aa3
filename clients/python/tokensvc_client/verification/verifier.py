"""Owns verifying access tokens in this process, for threads and for asyncio: one verdict, waited for in two ways."""

import asyncio
import time
from collections.abc import Collection
from threading import Lock, Thread

from tokensvc_client.revocations.clocks import Clock, elapsed
from tokensvc_client.revocations.feed import Feed
from tokensvc_client.values.tokens import DpopProof
from tokensvc_client.verification.access_token import VerifiedToken
from tokensvc_client.verification.errors import RevokedTokenError
from tokensvc_client.verification.judge import Judge, Want
from tokensvc_client.verification.keys import JwksUnavailableError
from tokensvc_client.verification.policy import VerificationPolicy
from tokensvc_client.verification.source import AsyncTokenSource, TokenSource

_DEFAULT = VerificationPolicy()


class TokenVerifier:
    """Verifies tokens of `issuer` by what `feed` knows; any thread may call it. It calls the service for keys alone.

    Only where the policy says WhenStale.ASK, and the feed is stale, it calls Introspect.
    """

    def __init__(
        self,
        issuer: str,
        source: TokenSource,
        feed: Feed,
        policy: VerificationPolicy = _DEFAULT,
        *,
        clock: Clock = elapsed,
        epoch_clock: Clock = time.time,
    ) -> None:
        self._source = source
        self._judge = Judge(issuer, feed, policy, self._fetch_beside, clock=clock, epoch_clock=epoch_clock)
        self._fetching = Lock()

    def verify(
        self,
        token: str,
        *,
        audience: str,
        scopes: Collection[str] = (),
        proof: DpopProof | None = None,
        certificate: bytes | None = None,
    ) -> VerifiedToken:
        """Answer what `token` says if it is genuine, alive, for `audience` and has all `scopes`. Or VerificationError.

        For a token that is bound to a key, `proof` is that of the request (RFC 9449, 7), or `certificate` that of its
        connection, in DER (RFC 8705, 3). A proof works once in each process.
        """
        introspected = False
        while True:
            attempts = self._judge.attempts
            found = self._judge.judge(token, audience, scopes, proof, certificate, introspected=introspected)
            if isinstance(found, VerifiedToken):
                return found
            if found is Want.KEYS:
                self._fetch(attempts)
            elif self._source.is_active(token):
                introspected = True
            else:
                raise RevokedTokenError("the service does not call the token active")

    def _fetch(self, attempts: int) -> None:
        """Fetch the keys, unless somebody has tried since there were so many `attempts`."""
        with self._fetching:
            if self._judge.attempts == attempts:
                self._fetch_now()

    def _fetch_now(self) -> None:
        asking = self._judge.asking()
        try:
            self._judge.take(self._source.get_jwks(), asking)
        except JwksUnavailableError:
            self._judge.failed()

    def _fetch_beside(self) -> None:
        if not self._fetching.locked():
            Thread(target=self._fetch, args=(self._judge.attempts,), name="tokensvc keys", daemon=True).start()


class AsyncTokenVerifier:
    """The same for asyncio, in one loop."""

    def __init__(
        self,
        issuer: str,
        source: AsyncTokenSource,
        feed: Feed,
        policy: VerificationPolicy = _DEFAULT,
        *,
        clock: Clock = elapsed,
        epoch_clock: Clock = time.time,
    ) -> None:
        self._source = source
        self._judge = Judge(issuer, feed, policy, self._fetch_beside, clock=clock, epoch_clock=epoch_clock)
        self._fetching = asyncio.Lock()
        self._beside: asyncio.Task[None] | None = None

    async def verify(
        self,
        token: str,
        *,
        audience: str,
        scopes: Collection[str] = (),
        proof: DpopProof | None = None,
        certificate: bytes | None = None,
    ) -> VerifiedToken:
        """As TokenVerifier.verify."""
        introspected = False
        while True:
            attempts = self._judge.attempts
            found = self._judge.judge(token, audience, scopes, proof, certificate, introspected=introspected)
            if isinstance(found, VerifiedToken):
                return found
            if found is Want.KEYS:
                await self._fetch(attempts)
            elif await self._source.is_active(token):
                introspected = True
            else:
                raise RevokedTokenError("the service does not call the token active")

    async def _fetch(self, attempts: int) -> None:
        async with self._fetching:
            if self._judge.attempts == attempts:
                await self._fetch_now()

    async def _fetch_now(self) -> None:
        asking = self._judge.asking()
        try:
            self._judge.take(await self._source.get_jwks(), asking)
        except JwksUnavailableError:
            self._judge.failed()

    def _fetch_beside(self) -> None:
        if self._beside is None or self._beside.done():
            self._beside = asyncio.create_task(self._fetch(self._judge.attempts))
