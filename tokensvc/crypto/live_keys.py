"""Owns the keys at work: what the database holds of them is opened, and taken into use when it changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from tokensvc.crypto.access_tokens import AccessTokenSigner
from tokensvc.crypto.dpop_nonces import DpopNonceMaker
from tokensvc.crypto.key_making import KeyMaker
from tokensvc.crypto.key_ring import MacKey, SigningKey, open_mac_keys, open_signing_keys
from tokensvc.crypto.refresh_tokens import RefreshTokenFormats
from tokensvc.crypto.verified_cache import VerifiedCache
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.keys import KeyPurpose, RootKeyError, StoredKey, of_purpose

K = TypeVar("K", SigningKey, MacKey)


class LiveKeys:
    """Signs, seals and verifies with the keys that were taken last."""

    def __init__(
        self,
        stored: Sequence[StoredKey],
        maker: KeyMaker,
        issuer: str,
        *,
        verified_tokens: int,
        complain: Callable[[StoredKey, RootKeyError], None],
    ) -> None:
        """Begin with the `stored` keys, which must open, or it fails with RootKeyError.

        So many `verified_tokens` are remembered. Keys that come later and do not open are complained of.
        """
        self.maker = maker
        self._complain = complain
        self._signing = {key.key_id: key for key in open_signing_keys(stored, maker.wrapper)}
        self._macs = {str(key.number): key for key in open_mac_keys(stored, maker.wrapper)}
        self._signer = AccessTokenSigner([*self._signing.values()], issuer)
        self.access_tokens = VerifiedCache(self._signer, verified_tokens)
        self.refresh_tokens = RefreshTokenFormats([*self._macs.values()], issuer)
        self.dpop_nonces = DpopNonceMaker([*self._macs.values()])

    def take(self, stored: Sequence[StoredKey]) -> None:
        """Use the `stored` keys from now on.

        One that does not open is used as it was opened before, if it was: under a root key that this node does not have
        it is still the same. One that has ended is in nobody's way.
        """
        self._signing = {
            key.key_id: key for key in self._opened(stored, KeyPurpose.SIGNING, self._signing, open_signing_keys)
        }
        self._macs = {
            str(key.number): key for key in self._opened(stored, KeyPurpose.REFRESH_MAC, self._macs, open_mac_keys)
        }
        self._signer.use([*self._signing.values()])
        self.refresh_tokens.use([*self._macs.values()])
        self.dpop_nonces.use([*self._macs.values()])
        self.access_tokens.forget()

    def _opened(
        self,
        stored: Sequence[StoredKey],
        purpose: KeyPurpose,
        known: Mapping[str, K],
        opening: Callable[[Sequence[StoredKey], Wrapper], Sequence[K]],
    ) -> Iterator[K]:
        for key in of_purpose(stored, purpose):
            try:
                yield from opening([key], self.maker.wrapper)
            except RootKeyError as error:
                self._complain(key, error)
                if key.key_id in known:
                    yield replace(known[key.key_id], activates_at=key.activates_at)
