"""Whoever wraps: a root key that is kept here, a KMS, an HSM. All of them keep the same promises."""

import sys
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import pytest

from tests import fake_kms
from tests.fake_kms import FakeKms
from tests.fakes import FakeRandomness
from tests.softhsm import PIN
from tokensvc.crypto.key_making import KeyMaker
from tokensvc.crypto.key_providers import open_providers
from tokensvc.crypto.key_ring import open_mac_keys, open_signing_keys
from tokensvc.crypto.pkcs11_key import Pkcs11Key
from tokensvc.crypto.root_keys import RootKey
from tokensvc.crypto.wrapping import KeyProvider, Wrapper
from tokensvc.domain.keys import KeyPurpose, RootKeyError, StoredKey

SECRET = b"a private key"
ROOT_KEY = "cm9vdCBrZXkgb2YgdGhpcnR5LXR3byBieXRlcyAuLi4="


def one(kind: str, request: pytest.FixtureRequest) -> KeyProvider:
    """A provider with a key of its own."""
    if kind == "HSM":
        return Pkcs11Key(request.getfixturevalue("hsm").new_key(), PIN)
    return FakeKms() if kind == "KMS" else RootKey(b"r" * 32)


def another(kind: str, request: pytest.FixtureRequest) -> KeyProvider:
    """One of the same kind with another key."""
    if kind == "HSM":
        return one(kind, request)
    return FakeKms("fakekms:other") if kind == "KMS" else RootKey(b"n" * 32)


KINDS = ("root key", "KMS", "HSM")
of_every_kind = pytest.mark.parametrize("kind", KINDS)


@dataclass(frozen=True)
class Pair:
    """A provider, and one that takes over from it."""

    old: KeyProvider
    new: KeyProvider


@pytest.fixture
def provider(kind: str, request: pytest.FixtureRequest) -> KeyProvider:
    """Of the kind that the test is about."""
    return one(kind, request)


@of_every_kind
def test_what_was_wrapped_is_unwrapped(provider: KeyProvider) -> None:
    """Also after others have been, and of any length that a key has."""
    for secret in (b"m", SECRET, bytes(range(256)) * 16):
        assert provider.unwrap(provider.wrap(secret, "row 1"), "row 1") == secret


@of_every_kind
def test_the_secret_is_hidden(provider: KeyProvider) -> None:
    """Nothing of it shows, and wrapping it twice shows no more."""
    first, second = provider.wrap(SECRET * 10, "row 1"), provider.wrap(SECRET * 10, "row 1")
    assert b"private" not in first
    assert first != second


@of_every_kind
@pytest.mark.parametrize("binding", ["row 2", "", "row 1 ", "ROW 1"])
def test_another_row_does_not_open(provider: KeyProvider, binding: str) -> None:
    """What is wrapped belongs to its row."""
    wrapped = provider.wrap(SECRET, "row 1")
    with pytest.raises(RootKeyError):
        provider.unwrap(wrapped, binding)


@of_every_kind
def test_what_was_changed_does_not_open(provider: KeyProvider) -> None:
    """Not with another byte anywhere, nor cut, nor with more behind it. What is whole still does."""
    wrapped = provider.wrap(SECRET, "row 1")
    changed = [wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(len(wrapped))]
    cut = [wrapped[:length] for length in (0, 1, 11, 12, 13, 27, len(wrapped) - 1)]
    for damaged in (*changed, *cut, wrapped[1:], wrapped + b"\0"):
        with pytest.raises(RootKeyError):
            provider.unwrap(damaged, "row 1")
    assert provider.unwrap(wrapped, "row 1") == SECRET


@of_every_kind
def test_another_key_does_not_open(provider: KeyProvider, kind: str, request: pytest.FixtureRequest) -> None:
    """One of the same kind, with a key of its own."""
    wrapped = another(kind, request).wrap(SECRET, "row 1")
    with pytest.raises(RootKeyError):
        provider.unwrap(wrapped, "row 1")


@of_every_kind
def test_keys_of_every_algorithm_are_wrapped(provider: KeyProvider) -> None:
    """Those of RSA are the longest."""
    wrapper = Wrapper(provider)
    maker = KeyMaker(wrapper, FakeRandomness("kinds"))
    keys = [*map(maker.signing_key, maker.algorithms), maker.mac_key(KeyPurpose.REFRESH_MAC, ())]
    assert len(open_signing_keys(keys, wrapper)) == len(maker.algorithms)
    assert len(open_mac_keys(keys, wrapper)) == 1


PAIRS = [*permutations(KINDS, 2), *((kind, kind) for kind in KINDS)]


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0]} to {pair[1]}")
def pair(request: pytest.FixtureRequest) -> Pair:
    """Every way there is to move from one to another."""
    old, new = request.param
    return Pair(one(old, request), another(new, request))


def test_a_key_moves_from_one_provider_to_another(pair: Pair) -> None:
    """While both are there the new one wraps and both open; what is wrapped anew needs the new one alone."""
    before = KeyMaker(Wrapper(pair.old), FakeRandomness("moves")).first_keys(0)
    both, new = Wrapper(pair.new, pair.old), Wrapper(pair.new)
    with pytest.raises(RootKeyError):
        open_signing_keys(before, new)
    after = [KeyMaker(both, FakeRandomness()).rewrapped(key) for key in before]
    assert open_mac_keys(after, new) == open_mac_keys(before, both)
    assert open_signing_keys(after, new)[0].public_jwk == open_signing_keys(before, both)[0].public_jwk
    with pytest.raises(RootKeyError):
        open_signing_keys(after, Wrapper(pair.old))


def test_what_the_first_provider_has_wrapped_stays_as_it_is(pair: Pair) -> None:
    """So a second run has nothing to do."""
    both = Wrapper(pair.new, pair.old)
    wrapped = both.wrap(SECRET, "row 1")
    assert both.wrapped_anew(wrapped, "row 1") == wrapped


def test_what_was_wrapped_before_there_were_providers_opens() -> None:
    """A root key leaves no mark: a nonce, the ciphertext, the tag, as ever."""
    root_key = RootKey(b"r" * 32)
    assert root_key.scheme == ""
    assert Wrapper(FakeKms(), root_key).unwrap(root_key.wrap(SECRET, "row 1"), "row 1") == SECRET


def test_what_nobody_here_can_have_wrapped_is_said_so() -> None:
    """The message names the kind of root key that is missing."""
    stored = Wrapper(FakeKms()).wrap(SECRET, "row 1")
    with pytest.raises(RootKeyError, match="a fakekms: root key has wrapped it"):
        Wrapper(RootKey(b"r" * 32)).unwrap(stored, "row 1")


def test_a_provider_that_is_away_says_so_itself() -> None:
    """And nothing is wrapped by the next one in its stead."""
    kms = FakeKms()
    wrapper = Wrapper(kms, RootKey(b"r" * 32))
    stored = wrapper.wrap(SECRET, "row 1")
    kms.is_away = True
    for use in (wrapper.unwrap, wrapper.wrapped_anew):
        with pytest.raises(RootKeyError, match="the KMS is away"):
            use(stored, "row 1")
    with pytest.raises(RootKeyError, match="the KMS is away"):
        wrapper.wrap(SECRET, "row 1")


def test_a_stored_key_does_not_move_to_another_kind_by_its_mark() -> None:
    """Whoever can write to the table gains nothing by passing one provider's work off as another's."""
    stored = Wrapper(FakeKms()).wrap(SECRET, "row 1")
    both = Wrapper(FakeKms(), RootKey(b"r" * 32))
    for changed in (stored.removeprefix(b"tokensvc:fakekms:"), b"tokensvc:other:" + stored, b"tokensvc::" + stored):
        with pytest.raises(RootKeyError):
            both.unwrap(changed, "row 1")


def test_each_word_names_a_root_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key itself, or a URI whose scheme an installed package knows: in their order."""
    fake_kms.install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    opened = open_providers(f"fakekms:one\n{ROOT_KEY}\n", "here")
    assert [provider.scheme for provider in opened] == ["fakekms", ""]
    assert opened[0].unwrap(FakeKms().wrap(SECRET, "row 1"), "row 1") == SECRET


@pytest.mark.parametrize("word", ["nokms:key", ":", "https://kms.test/canary", "pkcs11:canary"])
def test_a_uri_that_nothing_here_can_open_is_refused(word: str) -> None:
    """The message says so, and repeats nothing of it."""
    with pytest.raises(RootKeyError) as caught:
        open_providers(word, "here")
    assert "canary" not in str(caught.value)


def test_without_the_extra_a_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.delitem(sys.modules, "tokensvc.crypto.pkcs11_key", raising=False)
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(RootKeyError, match=r"needs the package pkcs11: pip install 'tokensvc\[pkcs11\]'"):
        open_providers("pkcs11:token=t;object=root?module-path=/nowhere.so", "here", PIN)


def test_no_word_at_all_is_refused() -> None:
    """An empty file is no root key."""
    with pytest.raises(RootKeyError, match="there is no root key: here"):
        open_providers(" \n", "here")


def test_a_stored_key_shows_who_has_wrapped_it() -> None:
    """Whoever reads the table sees the kind; a root key that is kept here leaves none."""
    signing, *_ = KeyMaker(Wrapper(FakeKms()), FakeRandomness()).first_keys(0)
    assert isinstance(signing, StoredKey)
    assert signing.wrapped.startswith(b"tokensvc:fakekms:")
