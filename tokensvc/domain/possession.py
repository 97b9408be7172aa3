"""Owns proof of possession: what a call shows to have, and whether that is the key that a session is bound to."""

import hmac
from dataclasses import replace
from typing import Final

from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.effects import Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.policy import SenderConstraint
from tokensvc.domain.used_id import UsedId
from tokensvc.domain.value import value

KEY: Final = "key"
"""What differs where the key does, in the audit trail."""

_UNBOUND = Refused(
    Reason.BINDING_MISMATCH, "the client's tokens must be bound to a key, and the session is not", differs=KEY
)
_NOT_PROVEN = Refused(
    Reason.BINDING_MISMATCH,
    "the session is bound to a key, and its proof is missing, wrong, too old or was used before",
    differs=KEY,
)
_OTHER_CERTIFICATE = Refused(
    Reason.BINDING_MISMATCH, "the session is bound to another certificate than that of the connection", differs=KEY
)
_SURPLUS = Refused(
    Reason.INVALID_REQUEST, "the session is bound to no DPoP key, so that a proof says nothing of it", "dpop"
)


@value(frozen=True, slots=True)
class Possession:
    """What a call shows to have.

    `jkt` is the thumbprint of the key by which its proof was made, empty if it `has_proof` that is not good;
    `certificate` is the thumbprint of that of its connection. The proof must be the first with its `used_id`. Where it
    lacks only a nonce, `wanted_nonce` is one that it might have.
    """

    has_proof: bool = False
    jkt: str = ""
    used_id: UsedId | None = None
    wanted_nonce: str = ""
    certificate: str = ""

    def replayed(self) -> "Possession":
        """The same where the proof was used before: it shows nothing."""
        return replace(self, jkt="", used_id=None)


NOTHING: Final = Possession()


def refusal_of(
    possession: Possession, confirmation: Confirmation | None, constraint: SenderConstraint
) -> Refused | None:
    """Why a session with this `confirmation` is not refreshed, if it is not, under its client's `constraint`."""
    if not constraint.is_met_by(confirmation):
        return _UNBOUND
    if confirmation is not None and confirmation.jkt:
        if not hmac.compare_digest(possession.jkt, confirmation.jkt):
            return _NOT_PROVEN
        return _lacks_nonce(possession.wanted_nonce) if possession.wanted_nonce else None
    if possession.has_proof:
        return _SURPLUS
    if confirmation is not None and not hmac.compare_digest(possession.certificate, confirmation.x5t_s256):
        return _OTHER_CERTIFICATE
    return None


def _lacks_nonce(nonce: str) -> Refused:
    return Refused(Reason.BINDING_MISMATCH, "the proof lacks a nonce of this service", differs=KEY, wanted_nonce=nonce)
