"""A root key in an HSM, when something is wrong with it: one clear sentence each time, and never the PIN."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.softhsm import PIN, SoftHsm
from tokensvc.crypto import pkcs11_key
from tokensvc.crypto.pkcs11_key import Pkcs11Key
from tokensvc.domain.keys import RootKeyError

SECRET = b"a private key"
NAME = "the PKCS#11 token tokensvc tests"


@pytest.fixture
def key(hsm: SoftHsm) -> Pkcs11Key:
    """A good one."""
    return Pkcs11Key(hsm.new_key(), PIN)


@pytest.fixture
def token_away(hsm: SoftHsm) -> Iterator[Path]:
    """The token's files, which a test may move there; they come back."""
    elsewhere = hsm.directory.with_name("elsewhere")
    yield elsewhere
    if elsewhere.exists():
        elsewhere.rename(hsm.directory)


def refused(key: Pkcs11Key) -> str:
    """Why the key cannot be used; the PIN is no part of it, nor of what led to it."""
    with pytest.raises(RootKeyError) as caught:
        key.wrap(SECRET, "row 1")
    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in str(error)
        error = error.__cause__ or error.__context__
    return str(caught.value)


def test_a_wrong_pin_is_tried_once(hsm: SoftHsm) -> None:
    """Tokens lock themselves after a few: until the next start the token is not asked again."""
    key = Pkcs11Key(hsm.new_key(), "canary-wrong-pin")
    assert refused(key) == f"{NAME} refuses the PIN (PinIncorrect)"
    assert refused(key) == f"{NAME} has refused the PIN (PinIncorrect); it is not tried again before a restart"


def test_a_pin_is_needed(hsm: SoftHsm) -> None:
    """The message names the setting."""
    with pytest.raises(RootKeyError, match="set pkcs11_pin"):
        Pkcs11Key(hsm.uri(object="root"), "")


def test_a_token_that_is_not_there(hsm: SoftHsm) -> None:
    """The message names the one that is looked for."""
    uri = hsm.new_key().replace("token=tokensvc%20tests", "token=nowhere")
    assert refused(Pkcs11Key(uri, PIN)) == (
        "the PKCS#11 token nowhere cannot be used: there are 0 such tokens, not one"
    )


def test_a_library_that_is_not_there() -> None:
    """The message names it."""
    key = Pkcs11Key("pkcs11:token=t;object=root?module-path=/nowhere.so", PIN)
    assert "/nowhere.so" in refused(key)


@pytest.mark.parametrize("how_many", [0, 2])
def test_a_key_has_to_be_found_without_doubt(hsm: SoftHsm, how_many: int) -> None:
    """None of that name, or several: which one would wrap must not be left to chance."""
    uri = hsm.uri(id="%42") if how_many else hsm.uri(object="nothing")
    for _ in range(how_many):
        hsm.new_key("AES:32", "--id", "42")
    assert refused(Pkcs11Key(uri, PIN)).endswith(
        f"has {how_many} secret keys such as the root key's URI names, not one"
    )


def test_a_key_is_found_by_its_id_and_the_token_by_all_that_is_said_of_it(hsm: SoftHsm) -> None:
    """As tools print the URI."""
    hsm.new_key("AES:32", "--id", "0117")
    uri = hsm.uri(id="%01%17", model="SoftHSM v2", manufacturer="SoftHSM project", type="secret-key")
    key = Pkcs11Key(uri, PIN)
    assert key.unwrap(key.wrap(SECRET, "row 1"), "row 1") == SECRET


@pytest.mark.parametrize(
    ("kind", "flags", "why"),
    [
        ("AES:16", (), "not one of AES-256"),
        ("GENERIC:32", (), "not one of AES-256"),
        ("AES:32", ("--extractable",), "must not be extractable"),
    ],
)
def test_a_weaker_key_is_refused(hsm: SoftHsm, kind: str, flags: tuple[str, ...], why: str) -> None:
    """The root key is one of 256 bits that nobody can take away."""
    assert why in refused(Pkcs11Key(hsm.new_key(kind, *flags), PIN))


def test_a_token_that_was_lost_is_found_again(hsm: SoftHsm, key: Pkcs11Key, token_away: Path) -> None:
    """While it is away uses fail; afterwards they work, without a restart."""
    wrapped = key.wrap(SECRET, "row 1")
    hsm.directory.rename(token_away)
    assert refused(key).startswith(f"{NAME} cannot be used: ")
    token_away.rename(hsm.directory)
    assert key.unwrap(wrapped, "row 1") == SECRET


def test_a_token_that_does_not_answer_is_not_waited_for(hsm: SoftHsm) -> None:
    """Another use hangs in the library, as behind a network that is gone; this one ends in time, the next one works."""
    uri = hsm.new_key()
    with pkcs11_key._turn:
        assert refused(Pkcs11Key(uri, PIN, patience=0.01)) == f"{NAME} has not answered for 0.01 seconds"
    key = Pkcs11Key(uri, PIN)
    assert key.unwrap(key.wrap(SECRET, "row 1"), "row 1") == SECRET


def test_what_is_wrapped_anew_every_time_opens_every_time(hsm: SoftHsm, key: Pkcs11Key) -> None:
    """Sessions do not run out, however often the key is used."""
    for turn in range(40):
        assert key.unwrap(key.wrap(SECRET, f"row {turn}"), f"row {turn}") == SECRET
