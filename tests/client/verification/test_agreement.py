"""Every attack on access tokens that the server's reader is tested with is refused here too, and nothing else is."""

import inspect
import json
from datetime import timedelta

import pytest
from tokensvc_client import Jwks
from tokensvc_client.verification import InvalidTokenError, KeyLimits
from tokensvc_client.verification.genuine import GenuineTokens, UnknownKeyError
from tokensvc_client.verification.keys import Keys

from tests.crypto import test_claims_attacks, test_encoding_attacks, test_header_attacks
from tests.crypto.forging import Forger, new_key
from tests.harness import ISSUER
from tokensvc.crypto.access_tokens import AccessTokenSigner
from tokensvc.crypto.key_ring import SigningKey
from tokensvc.domain.access_token import AccessToken

for _module in (test_header_attacks, test_claims_attacks, test_encoding_attacks):
    for _name, _test in inspect.getmembers(_module, inspect.isfunction):
        if _name.startswith("test_") and "signer" in inspect.signature(_test).parameters:
            globals()[_name] = _test


class Both:
    """Reads with the server's reader and with the library's, and fails where they differ."""

    def __init__(self, key: SigningKey) -> None:
        self._server = AccessTokenSigner([key], ISSUER)
        keys = Keys(KeyLimits())
        keys.take(Jwks(json.dumps({"keys": [json.loads(key.public_jwk)]}), timedelta(minutes=5)), 0.0, 0)
        self._local = GenuineTokens(keys, ISSUER, 100)

    def verify(self, text: str) -> AccessToken | None:
        """What both say."""
        token = self._server.verify(text)
        for _ in range(2):  # the second time it may be remembered
            assert self._accepts(text) is (token is not None)
        return token

    def _accepts(self, text: str) -> bool:
        try:
            self._local.read(text)
        except (InvalidTokenError, UnknownKeyError):
            return False
        return True


@pytest.fixture(scope="module")
def key() -> SigningKey:
    """The key that signs."""
    return new_key()


@pytest.fixture(scope="module")
def signer(key: SigningKey) -> Both:
    """Stands where the attacks expect the server's reader."""
    return Both(key)


@pytest.fixture(scope="module")
def forger(key: SigningKey) -> Forger:
    """Can sign anything with `key`."""
    return Forger(key)


def test_the_attacks_are_there() -> None:
    """None of the three files has been passed over."""
    names = [name for name in globals() if name.startswith("test_")]
    assert len(names) > 25
