"""Owns making the tokens of an answer: the signed access token and what is said beside it."""

import json
from dataclasses import dataclass, field

from tokensvc.domain import base64url
from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.confirmation import BEARER
from tokensvc.domain.session import Grant
from tokensvc.ports import AccessTokens, Randomness

_TOKEN_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The answer of Issue and Refresh (RFC 6749, 5.1); lifetimes in seconds."""

    access_token: str = field(repr=False)
    expires_in: int
    scopes: tuple[str, ...]
    revision: int
    refresh_token: str = field(default="", repr=False)
    refresh_expires_in: int = 0
    session_id: str = ""
    token_type: str = BEARER


class AccessTokenMinter:
    """Makes access tokens from grants."""

    def __init__(self, signer: AccessTokens, randomness: Randomness, issuer: str) -> None:
        self._signer = signer
        self._randomness = randomness
        self._issuer = issuer

    def mint(self, grant: Grant, scopes: tuple[str, ...], audiences: tuple[str, ...], now: int) -> tuple[str, int]:
        """Answer a signed token and its lifetime in whole seconds; it never outlives the session's last second.

        The claim exp has whole seconds: it is rounded up, so that the token lives as long as is said.
        """
        lifetime = min(grant.access_ttl, grant.expires_at - now)
        token = AccessToken(
            issuer=self._issuer,
            subject=grant.subject,
            client_id=grant.client_id,
            audiences=audiences,
            scopes=scopes,
            issued_at=now,
            expires_at=-(-(now + lifetime) // 1000) * 1000,
            token_id=base64url.encode(self._randomness(_TOKEN_ID_BYTES)),
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
