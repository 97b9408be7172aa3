"""The keys at work, while those in the database change."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.crypto.forging import TOKEN
from tests.fake_kms import FakeKms
from tests.fakes import FakeRandomness
from tests.harness import ISSUER
from tests.store.samples import a_session
from tokensvc.crypto.key_making import KeyMaker
from tokensvc.crypto.live_keys import LiveKeys
from tokensvc.crypto.root_keys import RootKey
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.keys import KeyPurpose, RootKeyError, StoredKey
from tokensvc.domain.policy import RefreshTokenFormat

MAKER = KeyMaker(Wrapper(RootKey(b"r" * 32)), FakeRandomness("live"))
STRANGER = KeyMaker(Wrapper(RootKey(b"x" * 32)), FakeRandomness("stranger"))
FIRST = MAKER.first_keys(0)
HANDLE = bytes(16)


def complaining(complaints: list[str]) -> Callable[[StoredKey, RootKeyError], None]:
    """Complains there."""
    return lambda key, _error: complaints.append(key.key_id)


@pytest.fixture
def complaints() -> list[str]:
    """The names of the keys that were complained of."""
    return []


@pytest.fixture
def live(complaints: list[str]) -> LiveKeys:
    """The first keys at work."""
    return LiveKeys(FIRST, MAKER, ISSUER, verified_tokens=10, complain=complaining(complaints))


@pytest.fixture
def kms() -> FakeKms:
    """A KMS that wraps."""
    return FakeKms()


async def test_what_was_verified_before_is_verified_anew(live: LiveKeys) -> None:
    """A token that is remembered does not outlive the key that has signed it."""
    text = live.access_tokens.sign(TOKEN)
    assert live.access_tokens.verify(text)
    await live.take([key.retired(1) for key in FIRST] + MAKER.first_keys(1))
    assert live.access_tokens.verify(text) is None
    assert live.access_tokens.verify(live.access_tokens.sign(TOKEN))


async def test_a_change_of_any_key_is_counted(live: LiveKeys) -> None:
    """Who has made tokens of both kinds looks at one number, to see whether all keys are as they were."""
    for changed, purpose in enumerate(KeyPurpose, 2):
        others = [key for key in FIRST if key.purpose is not purpose]
        await live.take([*others, *MAKER.first_keys(0, [purpose])])
        assert live.refresh_tokens.key_changes == changed


async def test_a_refresh_token_does_not_outlive_its_key(live: LiveKeys) -> None:
    """Nor does any under a key that has ended."""
    text = live.refresh_tokens.mint(HANDLE, a_session(), RefreshTokenFormat.OPAQUE)
    assert live.refresh_tokens.open(text)
    await live.take([FIRST[0], FIRST[1].retired(1), MAKER.mac_key(KeyPurpose.REFRESH_MAC, ("1",)), FIRST[2]])
    assert live.refresh_tokens.open(text) is None


async def test_a_key_that_does_not_open_is_complained_of_and_left_out(live: LiveKeys, complaints: list[str]) -> None:
    """A node with another root key spoils nothing here: what opens stays in use."""
    strange = replace(STRANGER.signing_key("ES256"), key_id="strange")
    await live.take([*FIRST, strange])
    assert complaints == ["strange"]
    assert live.access_tokens.verify(live.access_tokens.sign(TOKEN))
    assert "strange" not in live.access_tokens.jwks()


async def test_keys_that_are_known_stay_when_they_do_not_open_any_more(live: LiveKeys, complaints: list[str]) -> None:
    """Wrapped under a root key that this node does not have yet, they are the same; revoked ones go."""
    text = live.access_tokens.sign(TOKEN)
    refresh = live.refresh_tokens.mint(HANDLE, a_session(), RefreshTokenFormat.OPAQUE)
    await live.take([replace(key, wrapped=b"under another root key") for key in FIRST])
    assert len(complaints) == 3
    assert live.access_tokens.verify(text)
    assert live.refresh_tokens.open(refresh)
    await live.take([key.retired(1) for key in FIRST])
    assert live.access_tokens.verify(text) is None
    assert live.refresh_tokens.open(refresh) is None


async def test_only_what_is_new_is_opened(kms: FakeKms, complaints: list[str]) -> None:
    """A KMS is asked for a key once, and again when the key was wrapped anew."""
    maker = KeyMaker(Wrapper(kms), FakeRandomness("kms"))
    first = maker.first_keys(0)
    live = LiveKeys(first, maker, ISSUER, verified_tokens=1, complain=complaining(complaints))
    assert kms.opened == 3
    await live.take([*first, maker.signing_key("EdDSA")])
    assert kms.opened == 4
    text = live.access_tokens.sign(TOKEN)
    kms.is_away = True
    await live.take([replace(key, activates_at=key.activates_at + 1) for key in first])
    assert live.access_tokens.verify(text)
    assert (kms.opened, complaints) == (4, [])


async def test_what_did_not_open_is_tried_again(kms: FakeKms, complaints: list[str]) -> None:
    """While the KMS is away a new key is complained of; some time after it is back the key is in use."""
    maker = KeyMaker(Wrapper(kms), FakeRandomness("kms"))
    first, new = maker.first_keys(0), maker.mac_key(KeyPurpose.REFRESH_MAC, ("1",))
    live = LiveKeys(first, maker, ISSUER, verified_tokens=1, complain=complaining(complaints))
    kms.is_away = True
    await live.take([*first, new])
    assert complaints == [new.key_id]
    text = live.refresh_tokens.mint(HANDLE, a_session(), RefreshTokenFormat.OPAQUE)
    kms.is_away = False
    trying = asyncio.create_task(live.keep_trying(0))
    async with asyncio.timeout(10):
        while True:
            if live.refresh_tokens.mint(HANDLE, a_session(), RefreshTokenFormat.OPAQUE) != text:
                break
            await asyncio.sleep(0)
    trying.cancel()
    assert kms.opened == 4


async def test_a_start_with_keys_that_do_not_open_fails() -> None:
    """Rather no server than one that refuses what the others sign."""
    with pytest.raises(RootKeyError):
        LiveKeys(FIRST, STRANGER, ISSUER, verified_tokens=1, complain=lambda _key, _error: None)


@pytest.mark.parametrize("algorithm", sorted(MAKER.algorithms))
async def test_a_key_of_every_algorithm_signs_and_verifies(live: LiveKeys, algorithm: str) -> None:
    """Made, wrapped, opened and used; a changed signature is refused."""
    await live.take([FIRST[1], MAKER.signing_key(algorithm)])
    text = live.access_tokens.sign(TOKEN)
    assert live.access_tokens.verify(text)
    head, _, signature = text.rpartition(".")
    changed = "B" if signature[10] == "A" else "A"
    assert live.access_tokens.verify(f"{head}.{signature[:10]}{changed}{signature[11:]}") is None
