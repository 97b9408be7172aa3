"""Owns what a request presents: the token, by which scheme, and the proof that came with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tokensvc_client.guards.refusal import Cause, Refusal, Scheme
from tokensvc_client.values.tokens import DpopProof


@dataclass(frozen=True, slots=True)
class Presented:
    """A token as it was presented, and the proof that its holder shows of its key."""

    token: str = field(repr=False)
    scheme: Scheme
    proof: DpopProof | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request counts, whatever carries it: headers of these names, its method, its certificate in DER.

    `uri` is the absolute one that the caller has used (the proof's htu); empty where that is not known for sure.
    """

    authorization: Sequence[str] = field(repr=False)
    dpop: Sequence[str] = field(repr=False)
    method: str
    uri: str
    certificate: bytes | None = field(default=None, repr=False)

    def presented(self) -> Presented:
        """Read what is presented; fails with Refusal. A token in the query or the body does not count."""
        if not self.authorization:
            raise Refusal(Cause.NO_TOKEN, "a token is needed")
        name, _, token = self.authorization[0].partition(" ")
        scheme = next((scheme for scheme in Scheme if scheme.value.lower() == name.lower()), None)
        token = token.strip(" ")
        if len(self.authorization) > 1:
            raise Refusal(Cause.INVALID_REQUEST, "there are several headers authorization")
        if scheme is None:
            raise Refusal(Cause.NO_TOKEN, "a token is needed: the header has another scheme")
        if not token or " " in token:
            raise Refusal(Cause.INVALID_REQUEST, "the header authorization is malformed", scheme)
        # By the scheme Bearer nothing is proven, also where a proof is there (RFC 9449, 7.2).
        proof = self._proof() if scheme is Scheme.DPOP else None
        return Presented(token, scheme, proof)

    def _proof(self) -> DpopProof:
        if not self.uri:
            raise Refusal(Cause.INVALID_TOKEN, "tokens that are bound to a key by DPoP are not taken here")
        if len(self.dpop) != 1:
            raise Refusal(Cause.INVALID_DPOP_PROOF, "exactly one proof is needed", Scheme.DPOP)
        return DpopProof(self.dpop[0], self.method, self.uri)
