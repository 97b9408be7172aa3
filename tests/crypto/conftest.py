"""A signing key, the signer that trusts it, and a forger who has stolen it."""

import pytest

from tests.crypto.forging import Forger, new_key
from tests.harness import ISSUER
from tokensvc.crypto.access_tokens import AccessTokenSigner
from tokensvc.crypto.key_ring import SigningKey


@pytest.fixture(scope="session")
def key() -> SigningKey:
    """The key that signs."""
    return new_key()


@pytest.fixture(scope="session")
def signer(key: SigningKey) -> AccessTokenSigner:
    """Signs and verifies with `key` alone."""
    return AccessTokenSigner([key], ISSUER)


@pytest.fixture(scope="session")
def forger(key: SigningKey) -> Forger:
    """Can sign anything with `key`."""
    return Forger(key)
