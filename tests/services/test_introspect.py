"""Who sees which token as active, and that one answer comes from one state."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.domain.samples import GRANT
from tests.fakes import FakeClock
from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases, new_keys
from tokensvc.domain.policy import DAY, RefreshTokenFormat
from tokensvc.domain.refresh_token import session_id_of
from tokensvc.domain.session import begin
from tokensvc.ports import SessionRow
from tokensvc.services.revoke import SubjectTarget, Target, TokenTarget
from tokensvc.services.token_set import TokenSet
from tokensvc.store.migrating import upgrade_sqlite
from tokensvc.store.sql_store import SqlStore
from tokensvc.store.sqlite import SqliteDatabase


@pytest.mark.parametrize(
    ("audiences", "acts_for", "seen"),
    [
        pytest.param({"api"}, set(), True, id="answers for an audience of the token"),
        pytest.param({"billing", "api"}, set(), True, id="answers for that and another"),
        pytest.param({"billing"}, set(), False, id="answers for another"),
        pytest.param({"AP", "api2", "*"}, set(), False, id="answers for what looks like it"),
        pytest.param(set(), set(), False, id="answers for nothing"),
        pytest.param(set(), {"app"}, True, id="acts for the client of the token"),
        pytest.param(set(), {"*"}, True, id="acts for every client"),
        pytest.param(set(), {"other"}, False, id="acts for another client"),
    ],
)
async def test_an_access_token_is_seen_by_those_it_concerns(
    use_cases: UseCases, audiences: set[str], acts_for: set[str], seen: bool
) -> None:
    """An access token is active for its audiences and for who may act for its client, and inactive for all others."""
    await use_cases.register("app")
    await use_cases.register("reader", audiences=frozenset(audiences), acts_for=frozenset(acts_for))
    token = (await use_cases.issue("app", subject="ada", audiences=("api",))).access_token
    assert (await use_cases.introspect("reader", token) is not None) == seen
    assert (await use_cases.introspect_all("reader", [token]) != [None]) == seen


@pytest.mark.parametrize(("acts_for", "seen"), [(set(), False), ({"other"}, False), ({"app"}, True), ({"*"}, True)])
async def test_a_refresh_token_is_seen_by_those_who_act_for_its_client(
    use_cases: UseCases, acts_for: set[str], seen: bool
) -> None:
    """To be the audience of a session's access tokens is not enough for its refresh token."""
    await use_cases.register("app")
    await use_cases.register("reader", audiences=frozenset({"api", "billing"}), acts_for=frozenset(acts_for))
    token = (await use_cases.issue("app", subject="ada")).refresh_token
    assert (await use_cases.introspect("reader", token) is not None) == seen


class InterruptedStore(RecordingStore):
    """Something happens once, between the reading of sessions and whatever comes next."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def sessions_by_id(self, session_ids: Collection[str]) -> Mapping[str, SessionRow]:
        """Read, then let it happen."""
        rows = await super().sessions_by_id(session_ids)
        if self.meanwhile is not None:
            happen, self.meanwhile = self.meanwhile, None
            await happen()
        return rows


@pytest.fixture
def store() -> InterruptedStore:
    """A store that can be interrupted."""
    return InterruptedStore()


@pytest.fixture
async def login(use_cases: UseCases) -> TokenSet:
    """A session of `ada`, issued by a BFF that acts for every client."""
    await use_cases.register("bff", acts_for=frozenset({"*"}))
    return await use_cases.issue("bff", subject="ada")


TARGETS: dict[str, Callable[[TokenSet], Target]] = {
    "subject": lambda _login: SubjectTarget("ada"),
    "session": lambda login: TokenTarget(login.refresh_token),
}


@pytest.mark.parametrize("target", TARGETS)
async def test_a_batch_sees_a_revocation_everywhere_or_nowhere(
    use_cases: UseCases, store: InterruptedStore, login: TokenSet, target: str
) -> None:
    """A revocation that falls into the batch does not leave one token of a family active and another inactive."""
    store.meanwhile = lambda: use_cases.revoke("bff", TARGETS[target](login))
    tokens = [login.refresh_token, login.access_token, login.refresh_token]
    found = await use_cases.introspect_all("bff", tokens)
    assert store.meanwhile is None
    assert {active is not None for active in found} == {False}


@pytest.mark.parametrize("target", TARGETS)
async def test_an_answer_holds_at_the_revision_that_it_names(
    use_cases: UseCases, store: InterruptedStore, login: TokenSet, target: str
) -> None:
    """A token that was revoked while it was read is not called active at a revision that holds the revocation."""
    store.meanwhile = lambda: use_cases.revoke("bff", TARGETS[target](login))
    call = await use_cases.call("bff")
    found, revision = await use_cases.introspecting.introspect_all(call, [login.refresh_token])
    revoked_at = (await store.view()).revision
    assert (found[0] is None) == (revision >= revoked_at)


async def test_a_batch_reads_all_its_sessions_at_once(use_cases: UseCases, store: InterruptedStore) -> None:
    """However many refresh tokens a batch has, the database is asked once."""
    await use_cases.register("bff")
    tokens = [(await use_cases.issue("bff", subject="ada")).refresh_token for _ in range(10)]
    store.reads = 0
    assert all(await use_cases.introspect_all("bff", tokens))
    assert store.reads == 1


@pytest.mark.parametrize("order", [1, -1], ids=["the dead one first", "the living one first"])
async def test_each_token_of_a_batch_is_judged_by_its_own_barriers(
    use_cases: UseCases, store: InterruptedStore, clock: FakeClock, order: int
) -> None:
    """Stateless tokens of one handle may say different things: what ends one of them ends no other, nor spares it."""
    await use_cases.register("bff", acts_for=frozenset({"*"}))
    handle = bytes(16)
    ada = replace(GRANT, session_id=session_id_of(handle), client_id="bff", started_revision=0)
    sessions = [replace(begin(grant), is_stateless=True) for grant in (ada, replace(ada, subject="eve"))]
    await use_cases.revoke("bff", SubjectTarget("ada"))
    (await store.view()).forget(clock() + 3 * DAY)  # what is left are the barriers against refresh tokens
    tokens = [new_keys().refresh_tokens.mint(handle, one, RefreshTokenFormat.STATELESS_JWT) for one in sessions]
    found = await use_cases.introspect_all("bff", tokens[::order])
    assert [active is not None for active in found][::order] == [False, True]


async def test_a_barrier_ends_sessions_longer_than_the_view_remembers_it(tmp_path: Path, clock: FakeClock) -> None:
    """The view forgets a barrier with the last access token; the session's refresh token stays dead all the same."""
    upgrade_sqlite(tmp_path / "tokensvc.db")
    store = SqlStore(SqliteDatabase(tmp_path / "tokensvc.db"), clock, linger=0)
    use_cases = UseCases(store, clock, new_keys())
    await use_cases.register("bff", acts_for=frozenset({"*"}))
    refresh_token = (await use_cases.issue("bff", subject="ada")).refresh_token
    await use_cases.revoke("bff", SubjectTarget("ada"))
    clock.advance(days=3)
    await use_cases.revoke("bff", SubjectTarget("eve"))
    assert (await store.view()).size == 1
    assert await use_cases.introspect("bff", refresh_token) is None
    await store.close()
