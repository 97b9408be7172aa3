"""What costs no look at the database: tokens that their own bytes give away."""

from collections.abc import Callable

import pytest

from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.refresh_token import RefreshToken, encode
from tokensvc.services.revoke import TokenTarget

FORGED = {
    "rubbish": lambda _good: "rubbish",
    "a prefix": lambda _good: "tsr1_",
    "a changed tag": lambda good: good[:-10] + ("A" if good[-10] != "A" else "B") + good[-9:],
    "a changed handle": lambda good: good[:10] + ("A" if good[10] != "A" else "B") + good[11:],
    "another key": lambda _good: encode(RefreshToken(1, bytes(16), 0), b"another key"),
}


@pytest.fixture
async def good(use_cases: UseCases, store: RecordingStore) -> str:
    """A genuine refresh token; what it took is not counted."""
    await use_cases.register("bff", audiences=frozenset({"api"}))
    token = (await use_cases.issue("bff", subject="ada")).refresh_token
    store.commits = store.reads = 0
    return token


async def test_a_genuine_token_costs_one_commit(use_cases: UseCases, store: RecordingStore, good: str) -> None:
    """A Refresh is one transaction and no read beside it."""
    await use_cases.refresh("bff", good)
    assert (store.commits, store.reads) == (1, 0)


@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_token_is_not_refreshed_from_the_database(
    use_cases: UseCases, store: RecordingStore, good: str, forgery: str
) -> None:
    """Refresh refuses a forgery by its tag."""
    forge: Callable[[str], str] = FORGED[forgery]
    with pytest.raises(RefusedError) as caught:
        await use_cases.refresh("bff", forge(good))
    assert caught.value.reason is Reason.REFRESH_TOKEN_INVALID
    assert (store.commits, store.reads) == (0, 0)


@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_token_is_not_introspected_in_the_database(
    use_cases: UseCases, store: RecordingStore, good: str, forgery: str
) -> None:
    """Introspect and BatchIntrospect answer inactive by the tag."""
    forge: Callable[[str], str] = FORGED[forgery]
    assert await use_cases.introspect("bff", forge(good)) is None
    assert await use_cases.introspect_all("bff", [forge(good)] * 3) == [None] * 3
    assert (store.commits, store.reads) == (0, 0)


@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_token_is_not_revoked_in_the_database(
    use_cases: UseCases, store: RecordingStore, good: str, forgery: str
) -> None:
    """Revoke succeeds (RFC 7009, 2.2) and begins no transaction."""
    forge: Callable[[str], str] = FORGED[forgery]
    assert await use_cases.revoke("bff", TokenTarget(forge(good))) == (await store.view()).revision
    assert (store.commits, store.reads) == (0, 0)


async def test_an_access_token_is_introspected_without_its_session(
    use_cases: UseCases, store: RecordingStore, good: str
) -> None:
    """Whether an access token is active is answered from the view of the log alone."""
    access_token = (await use_cases.refresh("bff", good)).access_token
    store.commits = 0
    assert await use_cases.introspect("bff", access_token) is not None
    assert await use_cases.introspect_all("bff", [access_token] * 3) != [None] * 3
    assert (store.commits, store.reads) == (0, 0)
