"""Private keys at rest: they open with the right root key, in the row they were made for, unchanged, and never else."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeRandomness
from tokensvc.crypto.key_making import KeyMaker
from tokensvc.crypto.key_ring import open_mac_keys, open_signing_keys
from tokensvc.crypto.root_keys import RootKey
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.keys import KeyPurpose, RootKeyError, StoredKey

OLD, NEW = RootKey(b"r" * 32), RootKey(b"n" * 32)
WRAPPER = Wrapper(OLD)
WRAPPED = WRAPPER.wrap(b"a private key", "row 1")


def stored_keys() -> list[StoredKey]:
    """A signing key, a MAC key, another signing key and a session key, as they would stand in one table."""
    older, newer = (KeyMaker(WRAPPER, FakeRandomness(seed)).first_keys(0) for seed in ("older", "newer"))
    return [*older[:2], newer[0], older[2]]


def opened(stored: list[StoredKey]) -> None:
    """Open everything."""
    open_signing_keys(stored, WRAPPER)
    open_mac_keys(stored, WRAPPER)
    open_mac_keys(stored, WRAPPER, KeyPurpose.SESSION_MAC)


@given(st.binary(max_size=200), st.text(max_size=50))
def test_what_was_wrapped_is_unwrapped(secret: bytes, binding: str) -> None:
    """The same root key and the same row give the secret back."""
    assert WRAPPER.unwrap(WRAPPER.wrap(secret, binding), binding) == secret


def test_the_secret_is_hidden() -> None:
    """Nothing of the secret shows in what is stored, and wrapping it twice shows no more."""
    secret = b"a private key" * 10
    one, other = WRAPPER.wrap(secret, "row 1"), WRAPPER.wrap(secret, "row 1")
    assert b"private" not in one
    assert not {one[at : at + 4] for at in range(len(one) - 3)} & {other[at : at + 4] for at in range(len(other) - 3)}


def test_another_root_key_opens_nothing() -> None:
    """A wrong root key is noticed, not answered with rubbish."""
    with pytest.raises(RootKeyError, match="wrong root key"):
        Wrapper(RootKey(b"x" * 32)).unwrap(WRAPPED, "row 1")


@pytest.mark.parametrize("binding", ["row 2", "", "row 1 ", "ROW 1"])
def test_another_row_opens_nothing(binding: str) -> None:
    """A wrapped key belongs to its row."""
    with pytest.raises(RootKeyError):
        WRAPPER.unwrap(WRAPPED, binding)


@given(st.integers(0, len(WRAPPED) * 8 - 1))
def test_a_flipped_bit_is_noticed(bit: int) -> None:
    """No bit of nonce, ciphertext or tag can be changed."""
    changed = bytearray(WRAPPED)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RootKeyError):
        WRAPPER.unwrap(bytes(changed), "row 1")


@pytest.mark.parametrize("length", range(len(WRAPPED)))
def test_a_truncated_key_is_noticed(length: int) -> None:
    """Whatever is missing, down to everything, the answer is the same clean error."""
    with pytest.raises(RootKeyError):
        WRAPPER.unwrap(WRAPPED[:length], "row 1")


def test_the_stored_keys_open() -> None:
    """The rows of the following tests are good ones."""
    opened(stored_keys())


@pytest.mark.parametrize("places", list(permutations(range(3), 2)))
def test_wrapped_keys_do_not_open_in_each_others_rows(places: tuple[int, int]) -> None:
    """Whoever can write to the table cannot pass one key off as another, of the same purpose or of another one."""
    stored, (one, other) = stored_keys(), places
    stored[one] = replace(stored[one], wrapped=stored[other].wrapped)
    with pytest.raises(RootKeyError):
        opened(stored)


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        pytest.param(0, {"key_id": "another"}, id="signing key renamed"),
        pytest.param(0, {"algorithm": "ES384"}, id="signing key of another algorithm"),
        pytest.param(1, {"key_id": "2"}, id="MAC key renamed"),
        pytest.param(1, {"algorithm": "HS512"}, id="MAC key of another algorithm"),
        pytest.param(0, {"purpose": KeyPurpose.REFRESH_MAC, "key_id": "1"}, id="signing key as MAC key"),
        pytest.param(1, {"purpose": KeyPurpose.SIGNING}, id="MAC key as signing key"),
        pytest.param(1, {"purpose": KeyPurpose.SESSION_MAC}, id="MAC key as session key"),
    ],
)
def test_a_changed_row_does_not_open(place: int, changes: dict[str, str]) -> None:
    """What a row says of its key is sealed with the key."""
    stored = stored_keys()
    stored[place] = replace(stored[place], **changes)
    with pytest.raises(RootKeyError):
        opened(stored)


def test_a_changed_public_key_is_not_published() -> None:
    """Whoever can write to the table cannot have others trust a key of their own: what is sealed is what is shown."""
    stored = stored_keys()
    planted = replace(stored[0], public_jwk=stored[2].public_jwk)
    (opened_key,) = open_signing_keys([planted], WRAPPER)
    assert opened_key.public_jwk == stored[0].public_jwk != planted.public_jwk


def test_a_stored_key_does_not_show_what_it_wraps() -> None:
    """The wrapped key stays out of every representation that could reach a log."""
    assert "wrapped" not in repr(stored_keys()[0])


def test_any_of_several_root_keys_opens() -> None:
    """While a root key is being replaced both are there; the first one wraps."""
    both = Wrapper(NEW, OLD)
    assert both.unwrap(WRAPPED, "row 1") == b"a private key"
    assert Wrapper(NEW).unwrap(both.wrap(b"another", "row 2"), "row 2") == b"another"


def test_what_is_wrapped_anew_needs_the_first_root_key_alone() -> None:
    """What that has wrapped already stays as it is; another row is refused as ever."""
    both, new = Wrapper(NEW, OLD), Wrapper(NEW)
    anew = both.wrapped_anew(WRAPPED, "row 1")
    assert new.unwrap(anew, "row 1") == b"a private key"
    assert both.wrapped_anew(anew, "row 1") == anew
    with pytest.raises(RootKeyError):
        both.wrapped_anew(WRAPPED, "row 2")
