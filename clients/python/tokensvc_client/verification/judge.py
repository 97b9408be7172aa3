"""Owns the verdict on an access token, for both verifiers: what is not known it wants, and waits for nothing."""

import time
from collections.abc import Callable, Collection
from enum import Enum, auto
from typing import NamedTuple

from tokensvc_client.revocations.clocks import Clock, elapsed
from tokensvc_client.revocations.feed import Feed
from tokensvc_client.values.keys import Jwks
from tokensvc_client.values.tokens import DpopProof
from tokensvc_client.verification.access_token import ReadToken, VerifiedToken
from tokensvc_client.verification.dpop import Proofs, check_certificate
from tokensvc_client.verification.errors import (
    ExpiredTokenError,
    InsufficientScopeError,
    InvalidTokenError,
    RevokedTokenError,
    UnverifiableError,
    WrongAudienceError,
)
from tokensvc_client.verification.genuine import GenuineTokens, UnknownKeyError
from tokensvc_client.verification.keys import Fetch, Keys
from tokensvc_client.verification.policy import VerificationPolicy, WhenStale


class Want(Enum):
    """What has to be done before there is a verdict."""

    KEYS = auto()
    INTROSPECTION = auto()


class Asking(NamedTuple):
    """When the keys were asked for, and how many changes of them the feed had told of: what comes knows of these."""

    at: float
    changes: int


class Judge:
    """Judges tokens by the keys and revocations that are known. Any thread may ask."""

    def __init__(
        self,
        issuer: str,
        feed: Feed,
        policy: VerificationPolicy,
        fetch_beside: Callable[[], None],
        *,
        clock: Clock = elapsed,
        epoch_clock: Clock = time.time,
    ) -> None:
        """`fetch_beside` begins to fetch the keys, unless that is under way, and returns at once."""
        self._feed = feed
        self._policy = policy
        self._fetch_beside = fetch_beside
        self._clock = clock
        self._epoch_clock = epoch_clock
        self._keys = Keys(policy.keys)
        self._genuine = GenuineTokens(self._keys, issuer, policy.most_tokens)
        self._proofs = Proofs(policy.most_proofs)

    @property
    def attempts(self) -> int:
        """How often keys were fetched, or tried to."""
        return self._keys.attempts

    def judge(
        self,
        token: str,
        audience: str,
        scopes: Collection[str],
        proof: DpopProof | None,
        certificate: bytes | None,
        *,
        introspected: bool = False,
    ) -> VerifiedToken | Want:
        """Answer the token if it is accepted; fails with a VerificationError.

        Answers what is wanted instead where that is needed first; `introspected`: Introspect has called it active.
        """
        now, elapsed_now = self._epoch_clock(), self._clock()
        # First how old the view is, then what is in it: what comes in between does not make it look newer than it is.
        is_stale = elapsed_now - self._feed.synchronised_at > self._policy.max_staleness
        fetch = self._keys.fetch(elapsed_now, self._feed.key_changes)
        if fetch is not Fetch.NOT:
            if fetch is Fetch.FIRST:
                return Want.KEYS
            self._fetch_beside()
        try:
            read = self._genuine.read(token)
        except UnknownKeyError:
            if self._keys.may_be_newer(elapsed_now):
                return Want.KEYS
            raise InvalidTokenError("the token names a key that the service does not have") from None
        said = read.token
        self._check(read, now, audience, scopes)
        if self._feed.view.has_revoked(read.beginnings):
            raise RevokedTokenError("the token was revoked")
        is_bound = said.confirmation is not None or proof is not None
        if is_bound:
            check_certificate(certificate, said.confirmation)
        if is_stale and not introspected:
            return self._when_stale()
        if is_bound:  # last: a proof works once, and what is refused for another reason has not used it
            self._proofs.check(proof, said.confirmation, token, now)
        return said

    def asking(self) -> Asking:
        """The keys are asked for now."""
        return Asking(self._clock(), self._feed.key_changes)

    def take(self, jwks: Jwks, asking: Asking) -> None:
        """Know the keys that have come; fails with JwksUnavailableError if they make no sense."""
        self._keys.take(jwks, asking.at, asking.changes)

    def failed(self) -> None:
        """No keys came."""
        self._keys.failed(self._clock())

    def _check(self, read: ReadToken, now: float, audience: str, scopes: Collection[str]) -> None:
        if now >= read.expires_at:
            raise ExpiredTokenError("the token has expired")
        if max(read.issued_at, read.not_before) > now + self._policy.leeway:
            raise InvalidTokenError("the token is not good yet")
        if audience not in read.token.audiences:
            raise WrongAudienceError("the token is not meant for this audience")
        held = read.token.scopes
        for scope in scopes:
            if scope not in held:
                raise InsufficientScopeError(tuple(scopes))

    def _when_stale(self) -> Want:
        if self._policy.when_stale is WhenStale.ASK:
            return Want.INTROSPECTION
        raise UnverifiableError("revocations are not known that are new enough")
