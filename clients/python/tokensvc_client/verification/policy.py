"""Owns what the operator of a verifier decides: how old its knowledge may be, and how much it keeps."""

from dataclasses import dataclass, field
from enum import Enum, auto

from tokensvc_client.verification.keys import KeyLimits


class WhenStale(Enum):
    """What to do while revocations are not known that are new enough."""

    FAIL_CLOSED = auto()
    """Accept nothing: every verification fails with UnverifiableError."""

    ASK = auto()
    """Ask the service about each token by Introspect, each time."""


@dataclass(frozen=True, slots=True)
class VerificationPolicy:
    """Spans are in seconds.

    `max_staleness` is how long a revocation may take to have effect here; one second is two heartbeats of the service.
    `leeway` is by how much the service's clock may be ahead, so that a new token is not refused; the end of a token has
    none, because its revocation is forgotten with it. `most_tokens` are remembered so that their signature is not
    checked again, and `most_proofs` so that none is used twice.
    """

    max_staleness: float = 10.0
    when_stale: WhenStale = WhenStale.FAIL_CLOSED
    leeway: float = 5.0
    most_tokens: int = 10_000
    most_proofs: int = 500_000
    keys: KeyLimits = field(default_factory=KeyLimits)
