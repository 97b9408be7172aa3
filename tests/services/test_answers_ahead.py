"""Answers are made while the store writes; anew, if something else was written in the end or the keys have changed."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from tests.fakes import FakeClock
from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases, new_keys
from tokensvc.crypto.live_keys import LiveKeys
from tokensvc.crypto.verified_cache import VerifiedCache
from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.effects import Effects
from tokensvc.domain.keys import KeyPurpose
from tokensvc.ports import Committed, Rows, Unit
from tokensvc.services.token_set import TokenSet

T = TypeVar("T")
Order = Callable[[], Awaitable[TokenSet]]
Orders = Callable[[UseCases], Awaitable[Order]]


class TellingStore(RecordingStore):
    """Tells each unit what it writes; if wanted it decides once more then, or has another signing key taken."""

    def __init__(self, keys: LiveKeys) -> None:
        super().__init__()
        self._keys = keys
        self.decides_again = False
        self.signing_key_changes = False

    async def commit(self, unit: Unit[T]) -> Committed[T]:
        """Commit, after telling."""

        def decide(rows: Rows) -> Effects[T]:
            effects = unit.decide(rows)
            assert unit.meanwhile is not None
            unit.meanwhile(effects.outcome)
            return unit.decide(rows) if self.decides_again else effects

        committed = await super().commit(replace(unit, decide=decide) if unit.meanwhile else unit)
        if self.signing_key_changes and unit.meanwhile:
            others = [key for key in self._keys._stored if key.purpose is not KeyPurpose.SIGNING]
            await self._keys.take([*others, *self._keys.maker.first_keys(0, [KeyPurpose.SIGNING])])
        return committed


class CountedTokens(VerifiedCache):
    """Counts what it signs."""

    signed = 0

    def sign(self, token: AccessToken) -> str:
        """As every signer."""
        self.signed += 1
        return super().sign(token)


@pytest.fixture
def keys() -> LiveKeys:
    """The keys at work."""
    return new_keys()


@pytest.fixture
def signed(keys: LiveKeys) -> CountedTokens:
    """Has them counted."""
    keys.access_tokens = CountedTokens(keys.access_tokens, 1)
    return keys.access_tokens


@pytest.fixture
def store(keys: LiveKeys) -> TellingStore:
    """A store that tells."""
    return TellingStore(keys)


@pytest.fixture
async def use_cases(store: TellingStore, clock: FakeClock, keys: LiveKeys, signed: CountedTokens) -> UseCases:
    """The use cases over all of them, with a client."""
    assert keys.access_tokens is signed
    use_cases = UseCases(store, clock, keys)
    await use_cases.register("bff")
    return use_cases


async def issuing(use_cases: UseCases) -> Order:
    """Issue, to be called."""
    return lambda: use_cases.issue("bff", subject="ada")


async def refreshing(use_cases: UseCases) -> Order:
    """Refresh, to be called, of a session that is there."""
    token = (await use_cases.issue("bff", subject="ada")).refresh_token
    return lambda: use_cases.refresh("bff", token)


both = pytest.mark.parametrize("orders", [issuing, refreshing])


@both
async def test_an_answer_is_made_once(use_cases: UseCases, signed: CountedTokens, orders: Orders) -> None:
    """That which was made while the store wrote is given."""
    order = await orders(use_cases)
    signed.signed = 0
    answer = await order()
    assert signed.signed == 1
    assert await use_cases.introspect("bff", answer.access_token)
    assert await use_cases.introspect("bff", answer.refresh_token)


@both
async def test_what_was_not_written_is_not_answered(
    use_cases: UseCases, store: TellingStore, signed: CountedTokens, orders: Orders
) -> None:
    """The store has decided once more after it told: the answer is to that."""
    order = await orders(use_cases)
    signed.signed, store.decides_again = 0, True
    await order()
    assert signed.signed == 2


@both
async def test_no_key_that_ended_meanwhile_has_signed(use_cases: UseCases, store: TellingStore, orders: Orders) -> None:
    """A signing key that is replaced while the store writes: the access token is by its successor."""
    order = await orders(use_cases)
    store.signing_key_changes = True
    answer = await order()
    assert await use_cases.introspect("bff", answer.access_token)
