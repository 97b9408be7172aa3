"""Owns what verifiers need of a client, and nothing more: the keys, and Introspect."""

from typing import Protocol

from tokensvc_client.values.keys import Jwks


class TokenSource(Protocol):
    """Whoever can call the service. Each call has a deadline of its own."""

    def get_jwks(self) -> Jwks:
        """The public keys; fails with JwksUnavailableError."""

    def is_active(self, token: str) -> bool:
        """Whether Introspect calls the token active, strongly consistent; fails with UnverifiableError."""


class AsyncTokenSource(Protocol):
    """The same for asyncio."""

    async def get_jwks(self) -> Jwks:
        """The public keys; fails with JwksUnavailableError."""

    async def is_active(self, token: str) -> bool:
        """Whether Introspect calls the token active, strongly consistent; fails with UnverifiableError."""
