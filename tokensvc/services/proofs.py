"""Owns judging the DPoP proofs that callers relay (RFC 9449): for which request, how old, used for the first time."""

import hmac
from typing import Final

from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.dpop_proof import DpopProof, RelayedProof, hash_of
from tokensvc.domain.effects import Effects
from tokensvc.domain.possession import Possession
from tokensvc.ports import Clock, DpopNonces, ReadProof, Rows, Store, Unit

_BAD: Final = Possession(has_proof=True)


class Proofs:
    """What proofs show."""

    def __init__(self, store: Store, read: ReadProof, clock: Clock, nonces: DpopNonces | None) -> None:
        """With `nonces`, a proof for Refresh needs one."""
        self._store = store
        self._read = read
        self._clock = clock
        self._nonces = nonces

    def shown_by(self, relayed: RelayedProof) -> Possession:
        """What a proof for Refresh shows, if nobody has used it before.

        A nonce says when the proof was made, so that the clock of a phone need not be right (RFC 9449, 11.1).
        """
        now, proof, nonces = self._clock(), self._read(relayed.proof), self._nonces
        if proof is None or not proof.is_for(relayed):
            return _BAD
        if nonces is not None and not nonces.is_good(proof.nonce, now):
            return Possession(has_proof=True, jkt=proof.thumbprint, wanted_nonce=nonces.present(now))
        if nonces is None and not proof.is_timely(now):
            return _BAD
        return Possession(has_proof=True, jkt=proof.thumbprint, used_id=proof.used_id(now))

    async def is_shown(self, relayed: RelayedProof, token: AccessToken, text: str) -> bool:
        """Whether a proof that came with an access token, and its `text`, shows the key that this is bound to.

        One that does is used up by this, durably. Nonces are the business of the service that the token is for.
        """
        now, proof = self._clock(), self._read(relayed.proof)
        if proof is None or not (proof.is_for(relayed) and proof.is_timely(now) and _is_with(proof, token, text)):
            return False
        used_id = proof.used_id(now)

        def decide(rows: Rows) -> Effects[bool]:
            return Effects(rows.is_first_use(used_id))

        return (await self._store.commit(Unit(decide, used_id=used_id))).outcome


def _is_with(proof: DpopProof, token: AccessToken, text: str) -> bool:
    """Whether the proof is by the token's key, and made for this token (RFC 9449, 4.3, 12)."""
    jkt = token.confirmation.jkt if token.confirmation else ""
    return hmac.compare_digest(proof.thumbprint, jkt) and hmac.compare_digest(proof.access_token_hash, hash_of(text))
