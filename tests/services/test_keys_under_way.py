"""A key that is revoked while a call is under way: the tokens under it end with it, and nothing follows them."""

from collections.abc import Collection, Mapping
from typing import TypeVar

import pytest

from tests.fakes import FakeClock
from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases, new_keys, policy_of
from tokensvc.crypto.live_keys import LiveKeys
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import ExchangePolicy, RefreshTokenFormat
from tokensvc.ports import Committed, SessionRow, Unit

T = TypeVar("T")

every_format = pytest.mark.parametrize("token_format", list(RefreshTokenFormat), ids=lambda one: one.name.lower())


class RevokingStore(RecordingStore):
    """When it is told so, other keys take the place of the first between what is read or written and the rest.

    The MAC key has the same number: it becomes free with the key that had it.
    """

    def __init__(self, keys: LiveKeys) -> None:
        super().__init__()
        self._keys = keys
        self.revokes = False

    async def commit(self, unit: Unit[T]) -> Committed[T]:
        """Commit, then perhaps lose the key."""
        committed = await super().commit(unit)
        await self._revoke()
        return committed

    async def sessions_by_id(self, session_ids: Collection[str]) -> Mapping[str, SessionRow]:
        """Read, then perhaps lose the key."""
        rows = await super().sessions_by_id(session_ids)
        await self._revoke()
        return rows

    async def _revoke(self) -> None:
        if self.revokes:
            await self._keys.take(self._keys.maker.first_keys(0))


@pytest.fixture
def keys() -> LiveKeys:
    """The keys at work."""
    return new_keys()


@pytest.fixture
def store(keys: LiveKeys) -> RevokingStore:
    """The store at work."""
    return RevokingStore(keys)


@pytest.fixture
def use_cases(store: RevokingStore, clock: FakeClock, keys: LiveKeys) -> UseCases:
    """The use cases over both."""
    return UseCases(store, clock, keys)


@every_format
async def test_a_refresh_under_way_is_refused(
    use_cases: UseCases, store: RevokingStore, token_format: RefreshTokenFormat
) -> None:
    """It has rotated the session already, but there is no next token."""
    await use_cases.register("bff", policy=policy_of(refresh_token_format=token_format))
    refresh_token = (await use_cases.issue("bff", subject="ada")).refresh_token
    store.revokes = True
    with pytest.raises(RefusedError) as refused:
        await use_cases.refresh("bff", refresh_token)
    assert refused.value.reason is Reason.REFRESH_TOKEN_INVALID


async def test_an_introspection_under_way_finds_nothing(use_cases: UseCases, store: RevokingStore) -> None:
    """Its session has been read already, and is as live as before."""
    await use_cases.register("bff")
    refresh_token = (await use_cases.issue("bff", subject="ada")).refresh_token
    store.revokes = True
    assert await use_cases.introspect("bff", refresh_token) is None


async def test_an_exchange_under_way_is_refused(use_cases: UseCases, store: RevokingStore) -> None:
    """What the revoked key has signed, perhaps for a thief, does not live on under the next one."""
    policy = ExchangePolicy(subject_clients=frozenset({"bff"}), audiences=frozenset({"ledger"}))
    await use_cases.register("bff", exchange_policy=policy)
    subject, actor = [(await use_cases.issue("bff", subject=name)).access_token for name in ("ada", "bot")]
    assert (await use_cases.exchange("bff", subject, "ledger", actor_token=actor)).access_token
    store.revokes = True
    with pytest.raises(RefusedError) as refused:
        await use_cases.exchange("bff", subject, "ledger", actor_token=actor)
    assert refused.value.reason is Reason.SUBJECT_TOKEN_INVALID
