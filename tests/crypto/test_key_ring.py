"""The keys of refresh tokens at work: that of its time writes a token, every one of them reads it."""

from dataclasses import replace

import pytest

from tests.fakes import FakeRandomness
from tests.store.samples import NOW, a_session
from tokensvc.crypto.key_making import KeyMaker
from tokensvc.crypto.key_ring import MacKey, open_mac_keys, open_signing_keys
from tokensvc.crypto.refresh_tokens import RefreshTokenFormats
from tokensvc.crypto.root_keys import RootKey
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain import refresh_token
from tokensvc.domain.keys import KeyPurpose
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.domain.refresh_token import RefreshToken

HANDLE = bytes(range(16))
OLD, NEW = MacKey(1, b"o" * 32), MacKey(2, b"n" * 32, activates_at=NOW)
ISSUER = "https://issuer.test"
BEFORE, AFTER = NOW - 1, NOW
STATEFUL = [RefreshTokenFormat.OPAQUE, RefreshTokenFormat.JWT]


def ring(*keys: MacKey) -> RefreshTokenFormats:
    """The formats under these keys, for either purpose."""
    return RefreshTokenFormats(keys, keys, ISSUER)


def minted(keys: RefreshTokenFormats, rotated_at: int, form: RefreshTokenFormat = RefreshTokenFormat.OPAQUE) -> str:
    """The token of generation 5, of a session that was rotated then."""
    return keys.mint(HANDLE, replace(a_session(), generation=5, rotated_at=rotated_at), form)


@pytest.mark.parametrize("form", STATEFUL)
def test_a_minted_token_opens(form: RefreshTokenFormat) -> None:
    """What the ring writes, the ring reads."""
    assert ring(OLD).open(minted(ring(OLD), AFTER, form)) == RefreshToken(1, HANDLE, 5)


@pytest.mark.parametrize("form", STATEFUL)
def test_a_new_key_writes_from_its_time_on(form: RefreshTokenFormat) -> None:
    """What was rotated before is written with the key before, also when it is written again afterwards."""
    both = ring(OLD, NEW)
    named = [token.key_id for at in (BEFORE, AFTER) if (token := both.open(minted(both, at, form)))]
    assert named == [1, 2]
    assert minted(both, BEFORE, form) == minted(ring(OLD), BEFORE, form)


def test_older_tokens_open_as_before() -> None:
    """A change of keys ends no session."""
    assert ring(OLD, NEW).open(minted(ring(OLD), BEFORE)) == RefreshToken(1, HANDLE, 5)


@pytest.mark.parametrize("form", STATEFUL)
def test_a_token_under_no_key_of_the_ring_is_refused(form: RefreshTokenFormat) -> None:
    """A removed key, and a key of another installation, open nothing."""
    text = minted(ring(OLD), BEFORE, form)
    assert ring(NEW).open(text) is None
    assert ring(replace(OLD, secret=NEW.secret)).open(text) is None


def test_other_keys_are_taken_into_use() -> None:
    """From then on they read and write, and those before do not."""
    used = ring(OLD)
    text = minted(used, BEFORE)
    used.use([NEW], [NEW])
    assert used.open(text) is None
    assert used.open(minted(used, AFTER)) == RefreshToken(2, HANDLE, 5)


def test_handles_come_from_every_session_key_the_present_one_first() -> None:
    """A repeated Issue finds what it began under the key before. Who seals refresh tokens alone finds no handle."""
    old, new = (refresh_token.handle_for(key.secret, "bff", "key") for key in (OLD, NEW))
    formats = RefreshTokenFormats([MacKey(1, b"seals")], [OLD, NEW], ISSUER)
    assert formats.handles_for("bff", "key", BEFORE) == [old, new]
    assert formats.handles_for("bff", "key", AFTER) == [new, old]


def test_keys_of_one_number_are_kept_apart() -> None:
    """A stateless token is sealed by a session key and no other, a token of a row by a refresh key and no other."""
    session, row = a_session(), RefreshTokenFormat.JWT
    formats = RefreshTokenFormats([MacKey(1, b"seals")], [MacKey(1, b"makes")], ISSUER)
    stateless = formats.mint(HANDLE, replace(session, is_stateless=True), row)
    stateful = formats.mint(HANDLE, session, row)
    assert formats.is_genuine(stateless)
    assert formats.is_genuine(stateful)
    exchanged = RefreshTokenFormats([MacKey(1, b"makes")], [MacKey(1, b"seals")], ISSUER)
    assert not exchanged.is_genuine(stateless)
    assert not exchanged.is_genuine(stateful)


@pytest.mark.parametrize("text", ["", "x", "tsr1_", "\ud800", "tsr1_" + "A" * 50, "tsr1_" + "é" * 50, "x" * 10**6])
def test_what_is_no_token_is_refused(text: str) -> None:
    """Rubbish of every kind gets one answer."""
    assert ring(OLD).open(text) is None


def test_a_new_installation_has_one_key_of_each_purpose() -> None:
    """The first keys are used at once, and each installation's are its own."""
    wrapper = Wrapper(RootKey(bytes(32)))
    stored = KeyMaker(wrapper, FakeRandomness("one")).first_keys(5)
    other = KeyMaker(wrapper, FakeRandomness("other")).first_keys(5)
    assert [(key.purpose, key.activates_at, key.created_at) for key in stored] == [
        (KeyPurpose.SIGNING, 5, 5),
        (KeyPurpose.REFRESH_MAC, 5, 5),
        (KeyPurpose.SESSION_MAC, 5, 5),
    ]
    macs = [
        open_mac_keys(keys, wrapper, purpose)[0].secret
        for keys in (stored, other)
        for purpose in (KeyPurpose.REFRESH_MAC, KeyPurpose.SESSION_MAC)
    ]
    assert len(set(macs)) == 4
    assert open_signing_keys(stored, wrapper)[0].key_id != open_signing_keys(other, wrapper)[0].key_id
