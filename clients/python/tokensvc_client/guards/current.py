"""Owns what the handler that runs now may know of its caller: each call has it for itself, in threads and in tasks."""

from contextvars import ContextVar
from typing import Final

from tokensvc_client.verification import VerifiedToken

shown: Final[ContextVar[VerifiedToken]] = ContextVar("tokensvc_token")


def current_token() -> VerifiedToken:
    """What the token of the call in hand says. Fails with LookupError where none was needed, or outside a call.

    Tasks that the handler begins have it too. Threads have it where they are begun with a copy of the context, as
    `asyncio.to_thread` does.
    """
    return shown.get()
