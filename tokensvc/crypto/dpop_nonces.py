"""Owns the nonces of DPoP proofs (RFC 9449, 8): kept nowhere, one for each minute, the same on every node."""

import hmac
from collections.abc import Sequence
from typing import Final

from tokensvc.crypto.key_ring import MacKey
from tokensvc.domain import base64url
from tokensvc.domain.dpop_proof import NONCE_STEP

_NUMBER_BYTES: Final = 5
_TAG_BYTES: Final = 16
_PURPOSE: Final = b"dpop-nonce\0"  # nothing else that is made with these keys begins so


class DpopNonceMaker:
    """Implements `ports.DpopNonces` by the keys of refresh tokens, which every node has.

    A nonce is the number of its minute and a tag. It is good in its minute and those beside it, because the clocks of
    two nodes differ.
    """

    def __init__(self, keys: Sequence[MacKey]) -> None:
        """`keys` are in the order in which they are used; see `use`."""
        self.use(keys)

    def use(self, keys: Sequence[MacKey]) -> None:
        """From now on these are the keys."""
        self._newest_first = keys[::-1]

    def present(self, now: int) -> str:
        """As the port says."""
        return self._nonce(now // NONCE_STEP)

    def is_good(self, nonce: str, now: int) -> bool:
        """As the port says."""
        octets = base64url.decode(nonce)
        if octets is None or len(octets) != _NUMBER_BYTES + _TAG_BYTES:
            return False
        number = int.from_bytes(octets[:_NUMBER_BYTES], "big")
        return abs(number - now // NONCE_STEP) <= 1 and hmac.compare_digest(self._nonce(number), nonce)

    def _nonce(self, number: int) -> str:
        moment = number * NONCE_STEP
        key = next((key for key in self._newest_first if key.activates_at <= moment), self._newest_first[-1])
        octets = number.to_bytes(_NUMBER_BYTES, "big")
        return base64url.encode(octets + hmac.digest(key.secret, _PURPOSE + octets, "sha256")[:_TAG_BYTES])
