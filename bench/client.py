"""`python -m bench.client`: what local verification costs beside PyJWT, and how large a view of revocations is.

Rows of the same round are taken one after the other, and the best of several rounds counts: what else the machine does
disturbs both alike.
"""

import json
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import jwt
from google.protobuf.timestamp_pb2 import Timestamp
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
_ENTRIES: Final = 1_000_000
_LIFETIMES_ASIDE: Final[Any] = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}

KEY = new_key()
SIGNER = AccessTokenSigner([KEY], ISSUER)


class _Service:
    def get_jwks(self) -> Jwks:
        return Jwks(SIGNER.jwks(), timedelta(minutes=5))

    def is_active(self, token: str) -> bool:  # noqa: ARG002 - the protocol's
        raise AssertionError("the view is fresh")


def _view(entries: int) -> RevocationView:
    view, expires_at = RevocationView(), Timestamp(seconds=TOKEN.expires_at // 1000)
    for number in range(entries):
        view.apply(pb.Revocation(revision=number, session_id=f"ended-{number:016}", expires_at=expires_at))
    return view


def _verifier(feed: Feed) -> TokenVerifier:
    policy = VerificationPolicy(max_staleness=3600.0)
    return TokenVerifier(ISSUER, _Service(), feed, policy, epoch_clock=lambda: TOKEN.issued_at / 1000)


def _microseconds(work: Callable[[str], object], texts: list[str]) -> float:
    began = time.process_time()
    for text in texts:
        work(text)
    return (time.process_time() - began) / len(texts) * 1e6


def _resident_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Measure and print."""
    before, began = _resident_bytes(), time.process_time()
    view = _view(_ENTRIES)
    applied, grown = time.process_time() - began, _resident_bytes() - before
    following = Following(lambda: 1.0, Patience())
    following.view, following.synchronised_at = view, elapsed()
    feed = Feed(following, lambda: 0.0)
    texts = [SIGNER.sign(replace(TOKEN, token_id=f"jti-{number:018}", device_id="d")) for number in range(_TOKENS)]
    key = jwt.PyJWK(json.loads(KEY.public_jwk))

    def decode(text: str) -> object:
        return jwt.decode(text, key, algorithms=["ES256"], audience="api", issuer=ISSUER, options=_LIFETIMES_ASIDE)

    warm, cold, pyjwt = [], [], []
    for _ in range(_ROUNDS):
        verifier = _verifier(feed)
        verifier.verify(SIGNER.sign(TOKEN), audience="api")  # fetches the keys

        def verify(text: str, verifier: TokenVerifier = verifier) -> object:
            return verifier.verify(text, audience="api", scopes=("read",))

        cold.append(_microseconds(verify, texts))
        pyjwt.append(_microseconds(decode, texts))
        warm.append(_microseconds(verify, texts * _WARM_REPEATS))
    print(f"verify_local_warm   {min(warm):8.2f} us")
    print(f"verify_local_cold   {min(cold):8.2f} us")
    print(f"pyjwt_decode        {min(pyjwt):8.2f} us   cold is {min(cold) / min(pyjwt):.2f} of it")
    print(f"view_entry          {grown / _ENTRIES:8.2f} bytes resident, of {_ENTRIES:,}")
    print(f"view_apply          {applied / _ENTRIES * 1e6:8.2f} us an entry")


if __name__ == "__main__":
    main()
