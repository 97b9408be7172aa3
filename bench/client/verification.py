"""Owns what local verification costs beside PyJWT.

Rows of the same round are taken one after the other, and the best of several rounds counts: what else the machine does
disturbs both alike.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import jwt
from tokensvc_client import Jwks
from tokensvc_client.revocations.clocks import elapsed
from tokensvc_client.revocations.feed import Feed
from tokensvc_client.revocations.following import Following, Patience
from tokensvc_client.revocations.view import RevocationView
from tokensvc_client.verification import TokenVerifier, VerificationPolicy
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.crypto.forging import TOKEN, new_key
from tests.harness import ISSUER
from tokensvc.crypto.access_tokens import AccessTokenSigner

_TOKENS: Final = 20
_ROUNDS: Final = 100
_WARM_REPEATS: Final = 10
_ENTRIES: Final = 100_000  # of the view: its buckets are not empty
_LIFETIMES_ASIDE: Final[Any] = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}


class _Service:
    def __init__(self, signer: AccessTokenSigner) -> None:
        self._signer = signer

    def get_jwks(self) -> Jwks:
        return Jwks(self._signer.jwks(), timedelta(minutes=5))

    def is_active(self, token: str) -> bool:  # noqa: ARG002 - the protocol's
        raise AssertionError("the view is fresh")


def measure() -> Mapping[str, Any]:
    """Verify the same tokens in three ways: known already, for the first time, and by PyJWT."""
    key = new_key()
    signer = AccessTokenSigner([key], ISSUER)
    feed, service = _feed(), _Service(signer)
    texts = [signer.sign(replace(TOKEN, token_id=f"jti-{number:018}", device_id="d")) for number in range(_TOKENS)]
    public = jwt.PyJWK(json.loads(key.public_jwk))

    def decode(text: str) -> object:
        return jwt.decode(text, public, algorithms=["ES256"], audience="api", issuer=ISSUER, options=_LIFETIMES_ASIDE)

    warm, cold, pyjwt = [], [], []
    for _ in range(_ROUNDS):
        policy = VerificationPolicy(max_staleness=3600.0)
        verifier = TokenVerifier(ISSUER, service, feed, policy, epoch_clock=lambda: TOKEN.issued_at / 1000)
        verifier.verify(signer.sign(TOKEN), audience="api")  # fetches the keys

        def verify(text: str, verifier: TokenVerifier = verifier) -> object:
            return verifier.verify(text, audience="api", scopes=("read",))

        cold.append(_microseconds(verify, texts))
        pyjwt.append(_microseconds(decode, texts))
        warm.append(_microseconds(verify, texts * _WARM_REPEATS))
    return {
        "verify_local_warm_us": round(min(warm), 2),
        "verify_local_cold_us": round(min(cold), 2),
        "pyjwt_decode_us": round(min(pyjwt), 2),
        "cold/pyjwt": round(min(cold) / min(pyjwt), 2),
    }


def _feed() -> Feed:
    following = Following(lambda: 1.0, Patience())
    following.view, following.synchronised_at = _view(), elapsed()
    return Feed(following, lambda: 0.0)


def _view() -> RevocationView:
    view = RevocationView()
    for number in range(_ENTRIES):
        view.apply(pb.Revocation(revision=number, session_id=f"ended-{number:016}"))
    return view


def _microseconds(work: Callable[[str], object], texts: list[str]) -> float:
    began = time.process_time()
    for text in texts:
        work(text)
    return (time.process_time() - began) / len(texts) * 1e6
