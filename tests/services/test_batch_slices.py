"""A batch whose signatures take long: others go on in between, and the answer is of one state all the same."""

import asyncio

import pytest

from tests.fakes import FakeClock
from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases, new_keys
from tokensvc.crypto.live_keys import LiveKeys
from tokensvc.services.revoke import SessionTarget

TOKENS = 300


@pytest.fixture
def keys() -> LiveKeys:
    """The keys at work: of verified tokens they remember one, so that each is checked anew."""
    return new_keys()


@pytest.fixture
def use_cases(clock: FakeClock, keys: LiveKeys) -> UseCases:
    """The use cases over them."""
    return UseCases(RecordingStore(), clock, keys)


async def issued(use_cases: UseCases) -> list[str]:
    """Access tokens of `bff`, each of a session of its own."""
    await use_cases.register("bff")
    return [(await use_cases.issue("bff", subject=f"user-{number}")).access_token for number in range(TOKENS)]


async def test_others_go_on_between_the_signatures(use_cases: UseCases) -> None:
    """While many tokens are looked at the event loop comes round several times."""
    tokens = await issued(use_cases)
    batch = asyncio.ensure_future(use_cases.introspect_all("bff", tokens))
    rounds = 0
    while not batch.done():
        await asyncio.sleep(0)
        rounds += 1
    assert all(await batch)
    assert rounds >= TOKENS // 16


@pytest.mark.parametrize("place", [0, TOKENS - 1])
async def test_a_revocation_in_between_counts_at_the_revision_that_is_named(use_cases: UseCases, place: int) -> None:
    """Whether the token that it ends was looked at before it or is yet to be."""
    tokens = await issued(use_cases)
    token = use_cases.introspecting._access_tokens.verify(tokens[place])
    assert token
    call = await use_cases.call("bff")
    batch = asyncio.ensure_future(use_cases.introspecting.introspect_all(call, tokens))
    for _ in range(3):
        await asyncio.sleep(0)
    await use_cases.revoke("bff", SessionTarget(token.session_id))
    assert not batch.done()
    found, revision = await batch
    assert revision == (await use_cases.store.view()).revision
    assert [number for number, one in enumerate(found) if one is None] == [place]
