"""Where assertions are remembered: so many for each client, each for its connection, in no form that is of use."""

import asyncio
from dataclasses import replace

import pytest

from tests.rpc.contexts import FakeContext
from tests.rpc.test_remembered_callers import NOW, view_of
from tokensvc.domain.client import Client
from tokensvc.domain.client_assertion import ClientAssertion
from tokensvc.domain.client_authentication import AuthMethod
from tokensvc.domain.client_directory import ClientDirectory
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.view import View
from tokensvc.rpc import assertions
from tokensvc.rpc.assertions import Assertions
from tokensvc.rpc.caller import Callers
from tokensvc.services.client_assertions import Redemption
from tokensvc.store.memory import MemoryStore


class Believing:
    """Takes for an assertion what has the form CLIENT/JTI."""

    def claimed_client(self, text: str) -> str:
        """The part before the slash."""
        return text.partition("/")[0]

    def verify(self, text: str, directory: ClientDirectory, now: int) -> ClientAssertion | None:
        """Good for a second."""
        client_id, _, token_id = text.partition("/")
        return ClientAssertion(client_id, token_id, now + 1000) if client_id in directory.clients else None


def admit(_client: Client) -> None:
    """Lets everybody call."""


def signing(client_id: str) -> Client:
    """A client that calls by assertions."""
    return Client(client_id, auth_method=AuthMethod.PRIVATE_KEY_JWT)


VIEW = view_of(*map(signing, ("bff", "web", "till")))


@pytest.fixture
def callers() -> Callers:
    """One that has recognised nobody."""
    return Callers(Assertions(Redemption(MemoryStore(), Believing(), lambda: NOW)))


def presenting(assertion: str, scheme: str = "Bearer") -> FakeContext:
    """A call by an assertion."""
    return FakeContext((("authorization", f"{scheme} {assertion}"),))


async def redeem(callers: Callers, *found: str, view: View = VIEW) -> None:
    """Redeem assertions, one after the other."""
    for assertion in found:
        await callers.redeem(presenting(assertion), view, NOW, admit)


def known(callers: Callers, assertion: str, now: int = NOW) -> bool:
    """Whether the assertion needs not be redeemed."""
    return callers.recognise(presenting(assertion), VIEW, now) is not None


async def test_what_was_redeemed_is_known_until_its_end(callers: Callers) -> None:
    """To the millisecond."""
    assert not known(callers, "bff/1")
    await redeem(callers, "bff/1")
    assert known(callers, "bff/1", NOW + 999)
    assert not known(callers, "bff/1", NOW + 1000)


async def test_the_scheme_has_no_case(callers: Callers) -> None:
    """As that of secrets."""
    await redeem(callers, "bff/1")
    assert callers.recognise(presenting("bff/1", "bEARER"), VIEW, NOW)


async def test_the_connection_is_part_of_it(callers: Callers) -> None:
    """From another port it is not known."""
    await redeem(callers, "bff/1")
    elsewhere = FakeContext(presenting("bff/1").metadata, "ipv4:192.0.2.7:50001")
    assert callers.recognise(elsewhere, VIEW, NOW) is None
    with pytest.raises(RefusedError):
        await callers.redeem(elsewhere, VIEW, NOW, admit)


async def test_a_client_in_another_view_is_the_same(callers: Callers) -> None:
    """Read again, as after an outage or from a replica, it is another object that differs in nothing."""
    await redeem(callers, "bff/1")
    again = view_of(signing("bff"))
    assert callers.recognise(presenting("bff/1"), again, NOW) is again.clients["bff"]


async def test_an_older_view_ends_nothing(callers: Callers) -> None:
    """A replica that does not know the client yet, or knows it as it was, has it asked for anew, and then it stands."""
    now = view_of(replace(signing("bff"), name="new", updated_at=2))
    await redeem(callers, "bff/1", view=now)
    for older in (view_of(), view_of(replace(signing("bff"), updated_at=1))):
        assert callers.recognise(presenting("bff/1"), older, NOW) is None
    assert callers.recognise(presenting("bff/1"), now, NOW) is now.clients["bff"]


async def test_what_was_used_is_known_without_a_look(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who brings it again and again on other connections costs no transaction and no signature."""
    await redeem(callers, "bff/1")
    elsewhere = FakeContext(presenting("bff/1").invocation_metadata(), "ipv4:192.0.2.7:1")
    with pytest.raises(RefusedError):
        await callers.redeem(elsewhere, VIEW, NOW, admit)
    monkeypatch.delattr(Believing, "verify")
    monkeypatch.delattr(MemoryStore, "commit")
    with pytest.raises(RefusedError):
        await callers.redeem(elsewhere, VIEW, NOW, admit)


async def test_who_may_not_call_just_now_has_used_nothing(callers: Callers) -> None:
    """The assertion is good when the client comes back."""

    def refuse(_client: Client) -> None:
        raise RefusedError(Reason.RATE_LIMITED, "too often")

    with pytest.raises(RefusedError) as refused:
        await callers.redeem(presenting("bff/1"), VIEW, NOW, refuse)
    assert refused.value.reason is Reason.RATE_LIMITED
    await redeem(callers, "bff/1")


async def test_no_assertion_is_kept(callers: Callers) -> None:
    """Neither it nor where it came from."""
    await redeem(callers, "bff/canary")
    held = vars(callers._assertions)
    assert held["_redeemed"]
    assert "canary" not in repr(held)
    assert "192.0.2.7" not in repr(held)


async def test_of_too_many_the_one_goes_that_was_used_longest_ago(
    callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same client; others keep theirs."""
    monkeypatch.setattr(assertions, "_MOST_OF_A_CLIENT", 3)
    await redeem(callers, "web/1", "bff/1", "bff/2", "bff/3")
    assert known(callers, "bff/1")
    await redeem(callers, "bff/4", "bff/5")
    found = [known(callers, name) for name in ("web/1", "bff/1", "bff/2", "bff/3", "bff/4", "bff/5")]
    assert found == [True, True, False, False, True, True]


async def test_of_too_many_clients_one_goes_with_all_of_its_own(
    callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that has redeemed none for the longest time."""
    monkeypatch.setattr(assertions, "_MOST_CLIENTS", 2)
    await redeem(callers, "web/1", "bff/1", "web/2", "till/1")
    assert [known(callers, name) for name in ("web/1", "web/2", "bff/1", "till/1")] == [True, True, False, True]


async def test_what_is_over_takes_no_place(callers: Callers) -> None:
    """It goes when it is asked for."""
    await redeem(callers, "bff/1")
    known(callers, "bff/1", NOW + 1000)
    assert [vars(callers._assertions)[name] for name in ("_redeemed", "_places", "_waiting")] == [{}, {}, {}]


async def test_a_client_that_has_changed_meanwhile_is_refused(callers: Callers) -> None:
    """A call that joins others whose assertion is just redeemed is judged by what it has found itself."""
    disabled = view_of(Client("bff", auth_method=AuthMethod.PRIVATE_KEY_JWT, disabled=True))
    first = callers.redeem(presenting("bff/1"), VIEW, NOW, admit)
    second = callers.redeem(presenting("bff/1"), disabled, NOW, admit)
    results = await asyncio.gather(first, second, return_exceptions=True)
    assert results[0] is VIEW.clients["bff"]
    assert isinstance(results[1], RefusedError)
