"""Owns making the tokens of an answer: the signed access token and what is said beside it."""

import json
from dataclasses import field

from tokensvc.domain import base64url
from tokensvc.domain.access_token import AccessToken, whole_second
from tokensvc.domain.confirmation import BEARER
from tokensvc.domain.session import Grant
from tokensvc.domain.value import value
from tokensvc.ports import AccessTokens, Randomness

_TOKEN_ID_BYTES = 16


@value(frozen=True, slots=True)
class TokenSet:
    """The answer of Issue, Refresh and Exchange (RFC 6749, 5.1; RFC 8693, 2.2.1); lifetimes in seconds."""

    access_token: str = field(repr=False)
    expires_in: int
    scopes: tuple[str, ...]
    revision: int
    refresh_token: str = field(default="", repr=False)
    refresh_expires_in: int = 0
    session_id: str = ""
    token_type: str = BEARER


def new_token_id(randomness: Randomness) -> str:
    """A claim jti that no other token has (RFC 7519, 4.1.7)."""
    return base64url.encode(randomness(_TOKEN_ID_BYTES))


class AccessTokenMinter:
    """Makes access tokens from grants."""

    def __init__(self, signer: AccessTokens, randomness: Randomness, issuer: str) -> None:
        self._signer = signer
        self._randomness = randomness
        self._issuer = issuer

    def mint(self, grant: Grant, scopes: tuple[str, ...], audiences: tuple[str, ...], now: int) -> tuple[str, int]:
        """Answer a signed token and its lifetime in whole seconds; it never outlives the session's last second."""
        lifetime = min(grant.access_ttl, grant.expires_at - now)
        token = AccessToken(
            issuer=self._issuer,
            subject=grant.subject,
            client_id=grant.client_id,
            audiences=audiences,
            scopes=scopes,
            issued_at=now,
            expires_at=whole_second(now + lifetime),
            token_id=new_token_id(self._randomness),
            started_at=grant.started_at,
            started_revision=grant.started_revision,
            session_id=grant.session_id,
            device_id=grant.device_id,
            auth_time=grant.auth_time,
            acr=grant.acr,
            amr=grant.amr,
            claims=json.loads(grant.claims) if grant.claims else {},
            confirmation=grant.confirmation,
        )
        return self._signer.sign(token), lifetime // 1000
