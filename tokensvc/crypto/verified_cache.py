"""Owns remembering verified access tokens, so that a signature is checked once and not at every introspection."""

import hashlib
from collections import OrderedDict

from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.bounds import MAX_TOKEN
from tokensvc.ports import AccessTokens

_LONGEST = 2048  # characters of a token that is remembered: with the number of them it bounds the memory


class VerifiedCache:
    """Remembers what `inner` verified, by the token's hash; the oldest goes first.

    Only what never changes is remembered, that a token is genuine and what it says: lifetime and revocation are judged
    at every use. What is not genuine is not remembered, or forgeries would push out the real ones.
    """

    def __init__(self, inner: AccessTokens, most: int) -> None:
        self._inner = inner
        self._most = most
        self._tokens: OrderedDict[bytes, AccessToken] = OrderedDict()

    def sign(self, token: AccessToken) -> str:
        """Answer the JWT of `token`."""
        return self._inner.sign(token)

    def verify(self, text: str) -> AccessToken | None:
        """Read a JWT; None unless it is genuine and well-formed."""
        if len(text) > MAX_TOKEN:
            return None
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        token = self._tokens.get(digest)
        if token is None and (token := self._inner.verify(text)) is not None:
            if len(text) <= _LONGEST:
                self._tokens[digest] = token
            if len(self._tokens) > self._most:
                self._tokens.popitem(last=False)
        return token

    def forget(self) -> None:
        """Verify everything anew: the keys have changed."""
        self._tokens.clear()

    def jwks(self) -> str:
        """The public keys as a JWK Set."""
        return self._inner.jwks()
