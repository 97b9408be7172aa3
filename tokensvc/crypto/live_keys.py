"""Owns the keys at work: what the database holds of them is opened, and taken into use when it changes."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Generic, TypeVar

from tokensvc.crypto.access_tokens import AccessTokenSigner
from tokensvc.crypto.dpop_nonces import DpopNonceMaker
from tokensvc.crypto.key_making import KeyMaker
from tokensvc.crypto.key_ring import MacKey, SigningKey, open_mac_keys, open_signing_keys
from tokensvc.crypto.refresh_tokens import RefreshTokenFormats
from tokensvc.crypto.verified_cache import VerifiedCache
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.keys import KeyPurpose, RootKeyError, StoredKey, of_purpose

K = TypeVar("K", SigningKey, MacKey)

Complain = Callable[[StoredKey, RootKeyError], None]


class LiveKeys:
    """Signs, seals and verifies with the keys that were taken last."""

    def __init__(
        self,
        stored: Sequence[StoredKey],
        maker: KeyMaker,
        issuer: str,
        *,
        verified_tokens: int,
        complain: Complain,
    ) -> None:
        """Begin with the `stored` keys, which must open, or it fails with RootKeyError.

        So many `verified_tokens` are remembered. Keys that come later and do not open are complained of.
        """
        self.maker = maker
        self._complain = complain
        self._stored = stored
        self._taking = asyncio.Lock()
        self._signing = _Opened(KeyPurpose.SIGNING, open_signing_keys, maker.wrapper)
        self._macs = _Opened(KeyPurpose.REFRESH_MAC, open_mac_keys, maker.wrapper)
        makers = partial(open_mac_keys, purpose=KeyPurpose.SESSION_MAC)
        self._session_macs = _Opened(KeyPurpose.SESSION_MAC, makers, maker.wrapper)
        self._signer = AccessTokenSigner(self._signing.take(stored, _fail), issuer)
        self.access_tokens = VerifiedCache(self._signer, verified_tokens)
        macs = self._macs.take(stored, _fail)
        self.refresh_tokens = RefreshTokenFormats(macs, self._session_macs.take(stored, _fail), issuer)
        self.dpop_nonces = DpopNonceMaker(macs)

    async def take(self, stored: Sequence[StoredKey]) -> None:
        """Use the `stored` keys from now on.

        One that does not open is used as it was opened before, if it was: under a root key that this node does not have
        it is still the same. One that has ended is in nobody's way.
        """
        async with self._taking:
            self._stored = stored
            await self._use()

    async def keep_trying(self, interval: float) -> None:
        """Every `interval` seconds, until cancelled, try what did not open once more: an HSM may have been away."""
        while True:
            await asyncio.sleep(interval)
            if self._signing.failed or self._macs.failed or self._session_macs.failed:
                async with self._taking:
                    await self._use()

    async def _use(self) -> None:
        # In a thread: who wraps may have to be waited for, and calls under the keys in use go on meanwhile.
        signing = await asyncio.to_thread(self._signing.take, self._stored, self._complain)
        macs = await asyncio.to_thread(self._macs.take, self._stored, self._complain)
        session_macs = await asyncio.to_thread(self._session_macs.take, self._stored, self._complain)
        # From here on without waiting: who sees that `refresh_tokens` count no change has tokens by the present keys.
        self._signer.use(signing)
        self.refresh_tokens.use(macs, session_macs)
        self.dpop_nonces.use(macs)
        self.access_tokens.forget()


class _Opened(Generic[K]):
    """The keys of one purpose that are open, by their names, each with the row that it was opened from."""

    def __init__(
        self, purpose: KeyPurpose, opening: Callable[[Sequence[StoredKey], Wrapper], list[K]], wrapper: Wrapper
    ) -> None:
        self._purpose = purpose
        self._opening: Callable[[Sequence[StoredKey], Wrapper], list[K]] = opening
        self._wrapper = wrapper
        self._known: dict[str, tuple[StoredKey, K]] = {}
        self.failed = False
        """Whether some did not open the last time."""

    def take(self, stored: Sequence[StoredKey], complain: Complain) -> list[K]:
        """Open those of `stored` that are not open yet; answer all that are now."""
        before, self._known, self.failed = self._known, {}, False
        for key in of_purpose(stored, self._purpose):
            if key.wrapped and (found := self._open(key, before.get(key.key_id), complain)):
                self._known[key.key_id] = found
        return [opened for _, opened in self._known.values()]

    def _open(
        self, key: StoredKey, before: tuple[StoredKey, K] | None, complain: Complain
    ) -> tuple[StoredKey, K] | None:
        if before is None or (before[0].wrapped, before[0].algorithm) != (key.wrapped, key.algorithm):
            try:
                (opened,) = self._opening([key], self._wrapper)
            except RootKeyError as error:
                self.failed = True
                complain(key, error)
            else:
                return key, opened
        return before and (before[0], replace(before[1], activates_at=key.activates_at))


def _fail(_key: StoredKey, error: RootKeyError) -> None:
    raise error
