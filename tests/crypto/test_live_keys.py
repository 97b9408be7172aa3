"""The keys at work, while those in the database change."""

from dataclasses import replace

import pytest

from tests.crypto.forging import TOKEN
from tests.fakes import FakeRandomness
from tests.harness import ISSUER
from tests.store.samples import a_session
from tokensvc.crypto.key_making import KeyMaker
from tokensvc.crypto.live_keys import LiveKeys
from tokensvc.crypto.root_keys import RootKey
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.keys import RootKeyError, StoredKey
from tokensvc.domain.policy import RefreshTokenFormat

MAKER = KeyMaker(Wrapper(RootKey(b"r" * 32)), FakeRandomness("live"))
STRANGER = KeyMaker(Wrapper(RootKey(b"x" * 32)), FakeRandomness("stranger"))
FIRST = MAKER.first_keys(0)
HANDLE = bytes(16)


@pytest.fixture
def complaints() -> list[str]:
    """The names of the keys that were complained of."""
    return []


@pytest.fixture
def live(complaints: list[str]) -> LiveKeys:
    """The first keys at work."""

    def complain(key: StoredKey, _error: RootKeyError) -> None:
        complaints.append(key.key_id)

    return LiveKeys(FIRST, MAKER, ISSUER, verified_tokens=10, complain=complain)


async def test_what_was_verified_before_is_verified_anew(live: LiveKeys) -> None:
    """A token that is remembered does not outlive the key that has signed it."""
    text = live.access_tokens.sign(TOKEN)
    assert live.access_tokens.verify(text)
    await live.take([key.retired(1) for key in FIRST] + MAKER.first_keys(1))
    assert live.access_tokens.verify(text) is None
    assert live.access_tokens.verify(live.access_tokens.sign(TOKEN))


async def test_a_refresh_token_does_not_outlive_its_key(live: LiveKeys) -> None:
    """Nor does any under a key that has ended."""
    text = live.refresh_tokens.mint(HANDLE, a_session(), RefreshTokenFormat.OPAQUE)
    assert live.refresh_tokens.open(text)
    await live.take([FIRST[0], FIRST[1].retired(1), MAKER.mac_key(("1",))])
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
    assert len(complaints) == 2
    assert live.access_tokens.verify(text)
    assert live.refresh_tokens.open(refresh)
    await live.take([key.retired(1) for key in FIRST])
    assert live.access_tokens.verify(text) is None
    assert live.refresh_tokens.open(refresh) is None


def test_a_start_with_keys_that_do_not_open_fails() -> None:
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
