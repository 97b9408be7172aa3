"""Owns the sources of a service's own token, for threads and for asyncio: one logic, waited for in two ways."""

import random
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from tokensvc_client.blocking import blocking
from tokensvc_client.clients import AsyncTokenClient, TokenClient
from tokensvc_client.flights import TaskFlight, ThreadFlight
from tokensvc_client.service_token.renewal import Renewal
from tokensvc_client.values.tokens import Tokens


class AsyncServiceToken(Renewal):
    """An access token of this service itself, for one event loop: issued when first asked for, then kept fresh.

    It is renewed at about four fifths of its life, while the one before is still used. To call HTTP services send
    `authorization: Bearer {await source.token()}`; after a 401 say `source.drop(token)`.
    """

    def __init__(
        self,
        client: AsyncTokenClient,
        *,
        subject: str,
        audiences: Sequence[str] = (),
        scopes: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`subject` is what the token calls this service. What is left out is all that the client's policy allows.

        `clock` answers seconds, `chance` something from 0 to 1.
        """

        async def issue() -> Tokens:
            return await client.issue(**_order(subject, audiences, scopes))

        super().__init__(issue, TaskFlight, clock, chance)


class ServiceToken:
    """The same for threads. A renewal is a thread of its own, so that no caller waits for it."""

    def __init__(
        self,
        client: TokenClient,
        *,
        subject: str,
        audiences: Sequence[str] = (),
        scopes: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """As for AsyncServiceToken."""

        async def issue() -> Tokens:
            return client.issue(**_order(subject, audiences, scopes))

        self._wrapped: Any = Renewal(issue, ThreadFlight, clock, chance)

    token = blocking(Renewal.token)

    def drop(self, refused: str) -> bool:
        """As for AsyncServiceToken."""
        answer: bool = self._wrapped.drop(refused)
        return answer


def _order(subject: str, audiences: Sequence[str], scopes: Sequence[str]) -> dict[str, Any]:
    """Nothing is kept for an access token alone, so it is safe to repeat; the idempotency key tells the client so."""
    return {
        "subject": subject,
        "audiences": audiences,
        "scopes": scopes,
        "access_only": True,
        "idempotency_key": secrets.token_urlsafe(16),
    }
