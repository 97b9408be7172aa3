"""Owns what guards need of a verifier: TokenVerifier and AsyncTokenVerifier have it."""

from collections.abc import Collection
from typing import Any, Protocol

from tokensvc_client.values.tokens import DpopProof
from tokensvc_client.verification import VerifiedToken


class Verifier(Protocol):
    """Verifies tokens for threads."""

    def verify(
        self,
        token: str,
        *,
        audience: str,
        scopes: Collection[str] = (),
        proof: DpopProof | None = None,
        certificate: bytes | None = None,
    ) -> VerifiedToken:
        """Answer what the token says if it is accepted; fails with VerificationError. `certificate` is in DER."""


class AsyncVerifier(Protocol):
    """Verifies tokens for asyncio."""

    async def verify(
        self,
        token: str,
        *,
        audience: str,
        scopes: Collection[str] = (),
        proof: DpopProof | None = None,
        certificate: bytes | None = None,
    ) -> VerifiedToken:
        """As Verifier.verify."""


class NeverSuspending:
    """A verifier for threads as one for asyncio, whose coroutine `blocking.drive` runs to its end."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def verify(self, token: str, **asked: Any) -> VerifiedToken:
        """As AsyncVerifier.verify."""
        return self._verifier.verify(token, **asked)
