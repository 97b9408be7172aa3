"""The MAC keys at work: the newest writes refresh tokens, every one of them reads."""

import pytest

from tests.fakes import FakeRandomness
from tokensvc.crypto.key_ring import RefreshTokenMac, first_keys, open_mac_keys, open_signing_keys
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain import refresh_token
from tokensvc.domain.keys import KeyPurpose, KeyState
from tokensvc.domain.refresh_token import RefreshToken

HANDLE = bytes(range(16))
OLD, NEW = b"o" * 32, b"n" * 32


def test_a_minted_token_opens() -> None:
    """What the ring writes, the ring reads."""
    ring = RefreshTokenMac({1: OLD})
    assert ring.open(ring.mint(HANDLE, 5)) == RefreshToken(1, HANDLE, 5)


def test_the_newest_key_writes() -> None:
    """After a change of keys new tokens name the new one, whatever the order in which the keys were found."""
    for keys in ({1: OLD, 2: NEW}, {2: NEW, 1: OLD}):
        token = RefreshTokenMac(keys).open(RefreshTokenMac(keys).mint(HANDLE, 5))
        assert token is not None
        assert token.key_id == 2


def test_older_tokens_open_as_before() -> None:
    """A change of keys ends no session."""
    assert RefreshTokenMac({1: OLD, 2: NEW}).open(RefreshTokenMac({1: OLD}).mint(HANDLE, 5)) == RefreshToken(
        1, HANDLE, 5
    )


def test_a_token_under_no_key_of_the_ring_is_refused() -> None:
    """A removed key, and a key of another installation, open nothing."""
    assert RefreshTokenMac({2: NEW}).open(RefreshTokenMac({1: OLD}).mint(HANDLE, 5)) is None
    assert RefreshTokenMac({1: NEW}).open(RefreshTokenMac({1: OLD}).mint(HANDLE, 5)) is None


def test_handles_come_from_the_newest_key() -> None:
    """A repeated Issue is derived with the key that is written with."""
    assert RefreshTokenMac({1: OLD, 2: NEW}).handle_for("bff", "key") == refresh_token.handle_for(NEW, "bff", "key")


@pytest.mark.parametrize("text", ["", "x", "tsr1_", "\ud800", "tsr1_" + "A" * 50, "tsr1_" + "é" * 50, "x" * 10**6])
def test_what_is_no_token_is_refused(text: str) -> None:
    """Rubbish of every kind gets one answer."""
    assert RefreshTokenMac({1: OLD}).open(text) is None


def test_a_new_installation_has_one_key_of_each_purpose() -> None:
    """The first keys sign at once, and each installation's are its own."""
    wrapper = Wrapper(bytes(32))
    stored = first_keys(wrapper, FakeRandomness("one"), now=5)
    other = first_keys(wrapper, FakeRandomness("other"), now=5)
    assert [(key.purpose, key.state, key.created_at) for key in stored] == [
        (KeyPurpose.SIGNING, KeyState.ACTIVE, 5),
        (KeyPurpose.REFRESH_MAC, KeyState.ACTIVE, 5),
    ]
    assert open_mac_keys(stored, wrapper) != open_mac_keys(other, wrapper)
    assert open_signing_keys(stored, wrapper).keys().isdisjoint(open_signing_keys(other, wrapper))
