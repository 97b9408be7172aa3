"""Owns how private keys are wrapped: who does it, how that can be seen from what is stored, and what it is bound to."""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from tokensvc.domain.keys import KeyPurpose, RootKeyError

# What a root key has wrapped that is kept here has no mark: it begins with 12 random bytes.
_MARK = re.compile(rb"tokensvc:([a-z][a-z0-9+.-]{0,31}):")


class KeyProvider(Protocol):
    """Wraps what is secret in the database: a root key here, or one in a KMS or an HSM that never leaves it.

    It may be used from several threads at once. It may wait, for seconds at the most. What goes wrong fails with
    RootKeyError, in one sentence that repeats no secret.
    """

    @property
    def scheme(self) -> str:
        """Marks what it has wrapped: the scheme of the URIs that name such keys (RFC 3986 section 3.1), in lower case.

        It is empty for root keys that are no URIs.
        """

    def wrap(self, secret: bytes, binding: str) -> bytes:
        """Encrypt `secret` so that it opens with the same `binding` alone."""

    def unwrap(self, wrapped: bytes, binding: str) -> bytes:
        """Decrypt; fails if another key has wrapped it, for another binding, or if it was changed."""


def binding(purpose: KeyPurpose, key_id: str, algorithm: str) -> str:
    """Names the row that a wrapped key belongs to, and what the key is for."""
    return f"tokensvc key {purpose} {key_id} {algorithm}"


class Wrapper:
    """Wraps private keys by the first of some providers, and opens what any of them has wrapped.

    `binding` names the row: a key that was moved to another does not open.
    """

    def __init__(self, first: KeyProvider, *others: KeyProvider) -> None:
        self._first = first
        self._providers = (first, *others)

    def wrap(self, secret: bytes, binding: str) -> bytes:
        """Encrypt `secret` for the row named by `binding`."""
        scheme = self._first.scheme
        mark = f"tokensvc:{scheme}:".encode() if scheme else b""
        return mark + self._first.wrap(secret, binding)

    def unwrap(self, wrapped: bytes, binding: str) -> bytes:
        """Decrypt; fails with RootKeyError if no provider can, or for another row."""
        return _opened(wrapped, binding, self._providers)

    def wrapped_anew(self, wrapped: bytes, binding: str) -> bytes:
        """The same secret wrapped by the first provider; as it is if that has wrapped it."""
        with suppress(RootKeyError):
            _opened(wrapped, binding, (self._first,))
            return wrapped
        return self.wrap(self.unwrap(wrapped, binding), binding)


def _opened(wrapped: bytes, binding: str, providers: Sequence[KeyProvider]) -> bytes:
    """What is in `wrapped`; the last provider that could have wrapped it says why it does not open."""
    mark = _MARK.match(wrapped)
    scheme = mark[1].decode() if mark else ""
    kind = f"a {scheme}: root key" if scheme else "a root key in base64"
    failure = RootKeyError(f"a stored key does not open: {kind} has wrapped it, and none is given")
    for provider in providers:
        if provider.scheme == scheme:
            try:
                return provider.unwrap(wrapped[mark.end() if mark else 0 :], binding)
            except RootKeyError as error:
                failure = error
    raise failure
