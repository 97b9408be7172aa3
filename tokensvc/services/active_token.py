"""Owns when an access token is active for a caller: what Introspect says of it, and Exchange relies on."""

from collections.abc import Callable

from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.client import Client
from tokensvc.domain.view import View

Verify = Callable[[str], AccessToken | None]
"""As `ports.AccessTokens.verify`."""


def active_token(verify: Verify, text: str, caller: Client, view: View, now: int) -> AccessToken | None:
    """Answer the token, None unless it is genuine, alive, and of the caller's audiences or of a client it acts for."""
    token = verify(text)
    if token is None or now >= token.expires_at or view.has_revoked(token):
        return None
    client = view.clients.get(token.client_id)
    if client is None or client.disabled:
        return None
    if caller.audiences.isdisjoint(token.audiences) and not caller.may_act_for(token.client_id):
        return None
    return token
