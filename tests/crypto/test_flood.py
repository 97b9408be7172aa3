"""The bad tokens of `bench.flood`: each is bad, and as close to a good one as its kind can be."""

from dataclasses import replace

import pytest

from bench.flood.forging import FORGERIES, Genuine
from tests.domain.samples import HANDLE, a_session
from tokensvc.crypto.key_ring import MacKey
from tokensvc.crypto.refresh_tokens import RefreshTokenFormats
from tokensvc.domain.policy import RefreshTokenFormat

FORMATS = RefreshTokenFormats([MacKey(1, bytes(32))], [MacKey(1, bytes(32))], "https://issuer.test")
SESSION = a_session()
GENUINE = Genuine(
    opaque=[FORMATS.mint(HANDLE, SESSION, RefreshTokenFormat.OPAQUE)],
    jwt=[FORMATS.mint(HANDLE, SESSION, RefreshTokenFormat.JWT)],
    stateless=[FORMATS.mint(HANDLE, replace(SESSION, is_stateless=True), RefreshTokenFormat.STATELESS_JWT)],
)
WITHOUT_THE_FORM = {"truncated", "jwt_alg_none", "garbage", "empty"}


@pytest.mark.parametrize("kind", FORGERIES)
def test_none_opens(kind: str) -> None:
    """However often it is tried."""
    assert {FORMATS.open(FORGERIES[kind](GENUINE)) for _ in range(200)} == {None}


@pytest.mark.parametrize("kind", sorted(FORGERIES.keys() - WITHOUT_THE_FORM))
def test_most_have_the_form_of_a_refresh_token(kind: str) -> None:
    """So it is not their looks by which they are refused."""
    assert FORMATS.is_one(FORGERIES[kind](GENUINE))


def test_what_they_are_made_of_opens() -> None:
    """They are refused for what is changed."""
    for token in (*GENUINE.opaque, *GENUINE.jwt, *GENUINE.stateless):
        assert FORMATS.open(token) is not None
