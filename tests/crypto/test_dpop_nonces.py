"""The nonces of DPoP proofs: good for a short time, on every node, and made by nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock
from tokensvc.crypto.dpop_nonces import DpopNonceMaker
from tokensvc.crypto.key_ring import MacKey
from tokensvc.domain.dpop_proof import NONCE_STEP
from tokensvc.domain.policy import HOUR

NOW = FakeClock().now
FIRST, NEXT = MacKey(1, b"first".ljust(32)), MacKey(2, b"next".ljust(32), activates_at=NOW + HOUR)
NONCES = DpopNonceMaker([FIRST])


@pytest.mark.parametrize(
    ("later", "is_good"),
    [(0, True), (NONCE_STEP, True), (-NONCE_STEP, True), (3 * NONCE_STEP, False), (-3 * NONCE_STEP, False)],
)
def test_a_nonce_is_good_for_a_short_time(later: int, is_good: bool) -> None:
    """In its minute and those beside it: the clock of a node may be ahead or behind."""
    assert NONCES.is_good(NONCES.present(NOW), NOW + later) is is_good


def test_a_nonce_is_the_same_on_every_node() -> None:
    """Nodes that know the next key already, and those that do not, agree until it is used."""
    other = DpopNonceMaker([FIRST, NEXT])
    assert other.present(NOW) == NONCES.present(NOW)
    assert other.present(NOW + HOUR) != NONCES.present(NOW + HOUR)
    assert other.is_good(NONCES.present(NOW), NOW)


def test_a_nonce_outlives_the_change_of_keys() -> None:
    """It is checked by the key of its own minute."""
    nonces = DpopNonceMaker([FIRST])
    nonce = nonces.present(NEXT.activates_at - 1)
    nonces.use([FIRST, NEXT])
    assert nonces.is_good(nonce, NEXT.activates_at + NONCE_STEP - 1)
    nonces.use([NEXT])
    assert not nonces.is_good(nonce, NEXT.activates_at)


def test_a_nonce_of_another_installation_is_none() -> None:
    """Nobody can make one without the key."""
    assert not NONCES.is_good(DpopNonceMaker([MacKey(1, b"other".ljust(32))]).present(NOW), NOW)


def test_every_minute_has_another_nonce() -> None:
    """So that a proof cannot be made long before it is used (RFC 9449, 11.2)."""
    assert len({NONCES.present(NOW + minute * NONCE_STEP) for minute in range(100)}) == 100


@given(st.text() | st.binary(min_size=20, max_size=22).map(lambda octets: octets.hex()))
def test_any_text_is_good_or_not(text: str) -> None:
    """Whatever it is, nothing is raised."""
    assert not NONCES.is_good(text, NOW)


def test_a_changed_nonce_is_none() -> None:
    """Neither in its number nor in its tag."""
    nonce = NONCES.present(NOW)
    for place in range(len(nonce)):
        other = "A" if nonce[place] != "A" else "B"
        assert not NONCES.is_good(nonce[:place] + other + nonce[place + 1 :], NOW)
