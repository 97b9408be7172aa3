"""Introspections that come together, over both clients."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import pytest
from flavours import Flavour
from scripted import Answer, Asked, Refusal, Scripted, until
from served import Served
from tokensvc_client import (
    AsyncTokenClient,
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    PermissionDeniedError,
    Secret,
    TokenClient,
    coalescing,
)
from tokensvc_pb.v1 import token_service_pb2 as pb

DENIED = Refusal(grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_PERMITTED")


def truthful(asked: Asked) -> pb.IntrospectResponse | pb.BatchIntrospectResponse:
    """Every token is active, and its subject is its text."""
    if asked.method.endswith("/BatchIntrospect"):
        results = [pb.IntrospectResponse(active=token != "dead", subject=token) for token in asked.request.tokens]
        return pb.BatchIntrospectResponse(results=results, revision=7)
    return pb.IntrospectResponse(active=True, subject=asked.request.token, revision=7)


class Gate:
    """A script that holds the first call until those that come meanwhile are there."""

    def __init__(self, script: Callable[[Asked], Answer] = truthful) -> None:
        self._script = script
        self._open = threading.Event()
        self._is_first = True

    def __call__(self, asked: Asked) -> Answer:
        if self._is_first:
            self._is_first = False
            assert self._open.wait(10)
        return self._script(asked)

    def open_when(self, condition: Callable[[], bool]) -> None:
        """Let the first call go when the condition holds."""

        def waits() -> None:
            until(condition)
            self._open.set()

        threading.Thread(target=waits).start()


def waiting_of(client: Any) -> int:
    """How many wait for a party."""
    inner = getattr(client, "wrapped", client)
    calls = getattr(inner, "_wrapped", inner)
    return sum(len(line.waiting) for line in list(calls._introspector._coalescing._lines.values()))


@pytest.fixture
def one_party(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time is under way, so that it is certain who goes with whom."""
    monkeypatch.setattr(coalescing, "_PARTIES", 1)


def asking(token: str, **options: Any) -> Callable[[Any], Any]:
    """A call about a token."""
    return lambda client: client.introspect(token, **options)


@pytest.mark.usefixtures("one_party")
def test_those_who_come_together_share_a_call(flavour: Flavour, script: Scripted) -> None:
    """The first goes alone; those that come meanwhile go together, and each gets what it would get alone."""
    client, gate = flavour.client(script.address), Gate()
    script.script = gate
    gate.open_when(lambda: waiting_of(client) == 8)
    tokens = ["first", *(f"token-{number}" for number in range(7)), "dead"]
    answers = flavour.at_once(client, [asking(token) for token in tokens], then=lambda: script.wait_for(1))
    assert script.methods == ["Introspect", "BatchIntrospect"]
    assert [answer.subject for answer in answers] == tokens
    assert [answer.revision for answer in answers] == [7] * 8 + [0]


@pytest.mark.usefixtures("one_party")
def test_an_answer_with_too_few_results_is_nobodys(flavour: Flavour, script: Scripted) -> None:
    """Nobody gets the result of another, all are told, and who asks later is not held up."""

    def forgetful(asked: Asked) -> Answer:
        answer = truthful(asked)
        if isinstance(answer, pb.BatchIntrospectResponse):
            del answer.results[0]
        return answer

    client, gate = flavour.client(script.address), Gate(forgetful)
    script.script = gate
    gate.open_when(lambda: waiting_of(client) == 3)
    calls = [asking(token, timeout=10) for token in "abcd"]
    first, *others = flavour.at_once(client, calls, then=lambda: script.wait_for(1))
    assert first.subject == "a"
    assert [type(error) for error in others] == [InternalError] * 3
    assert client.introspect("later").subject == "later"


def test_a_lone_caller_waits_for_nobody(flavour: Flavour, script: Scripted) -> None:
    """One after the other, all go alone and at once."""
    script.script = truthful
    client = flavour.client(script.address)
    for token in "abc":
        assert client.introspect(token).subject == token
    assert script.methods == ["Introspect"] * 3


def test_who_asks_for_more_than_a_token_goes_alone(flavour: Flavour, script: Scripted) -> None:
    """A batch knows no scopes and no audience."""
    script.script = truthful
    client = flavour.client(script.address)
    calls = [asking("a", audience="api"), asking("b", required_scopes=["read"]), asking("")]
    flavour.at_once(client, calls)
    assert script.methods == ["Introspect"] * 3


@pytest.mark.usefixtures("one_party")
def test_a_refused_batch_is_the_refusal_of_each(flavour: Flavour, script: Scripted) -> None:
    """Each raises an exception of its own."""
    client = flavour.client(script.address)
    gate = Gate(lambda asked: truthful(asked) if asked.method.endswith("/Introspect") else DENIED)
    script.script = gate
    gate.open_when(lambda: waiting_of(client) == 3)
    first, *others = flavour.at_once(client, [asking(token) for token in "abcd"], then=lambda: script.wait_for(1))
    assert first.active
    assert {type(error) for error in others} == {PermissionDeniedError}
    assert len({id(error) for error in others}) == 3
    assert {(error.reason, str(error)) for error in others} == {
        ("CALLER_NOT_PERMITTED", "refused (CALLER_NOT_PERMITTED)")
    }


@pytest.mark.usefixtures("one_party")
def test_a_batch_with_too_long_an_answer_is_divided(flavour: Flavour, script: Scripted) -> None:
    """No token of it would be refused alone, so none is."""

    def bounded(asked: Asked) -> Answer:
        if asked.method.endswith("/BatchIntrospect") and len(asked.request.tokens) > 2:
            return Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "tokens")
        return truthful(asked)

    client, gate = flavour.client(script.address), Gate(bounded)
    script.script = gate
    gate.open_when(lambda: waiting_of(client) == 5)
    answers = flavour.at_once(client, [asking(token) for token in "abcdef"], then=lambda: script.wait_for(1))
    assert [answer.subject for answer in answers] == [*"abcdef"]


@pytest.mark.usefixtures("one_party")
def test_a_token_that_is_refused_alone_spoils_nothing(flavour: Flavour, script: Scripted) -> None:
    """Its refusal is its own."""

    def bounded(asked: Asked) -> Answer:
        tokens = getattr(asked.request, "tokens", None) or [asked.request.token]
        return Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST") if "bad" in tokens else truthful(asked)

    client, gate = flavour.client(script.address), Gate(bounded)
    script.script = gate
    gate.open_when(lambda: waiting_of(client) == 3)
    first, second, third, fourth = flavour.at_once(
        client, [asking(token) for token in ("a", "b", "bad", "c")], then=lambda: script.wait_for(1)
    )
    assert [first.subject, second.subject, fourth.subject] == ["a", "b", "c"]
    assert isinstance(third, InvalidRequestError)


@pytest.mark.usefixtures("one_party")
@pytest.mark.parametrize("field", ["max_staleness", "min_revision"])
def test_what_all_ask_for_alike_is_refused_once(flavour: Flavour, script: Scripted, field: str) -> None:
    """A bad option is no token's fault: no smaller batch would fare better, so none is tried."""
    refusal = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", field)
    client, gate = flavour.client(script.address), Gate(lambda asked: refusal)
    script.script = gate
    gate.open_when(lambda: waiting_of(client) == 7)
    calls = [asking(token, max_staleness=timedelta(days=9)) for token in "abcdefgh"]
    errors = flavour.at_once(client, calls, then=lambda: script.wait_for(1))
    assert {(type(error), error.field) for error in errors} == {(InvalidRequestError, field)}
    assert len({id(error) for error in errors}) == 8
    assert script.methods == ["Introspect", "BatchIntrospect"]


def test_the_service_refuses_a_bad_option_for_each(server: Served, flavour: Flavour, register: Any) -> None:
    """Whoever asks alone or with others is told which one it is."""
    client = flavour.client(server.address, credentials=register())
    errors = flavour.at_once(client, [asking(f"token-{number}", min_revision=-1) for number in range(24)])
    assert {(type(error), error.field) for error in errors} == {(InvalidRequestError, "min_revision")}


def test_half_a_character_is_refused_alone(flavour: Flavour, script: Scripted) -> None:
    """Who asks about a good token at the same time does not pay for it."""
    script.script = truthful
    client = flavour.client(script.address)
    good, bad, fine = flavour.at_once(client, [asking(token) for token in ("good", "\ud800", "fine")])
    assert isinstance(bad, InvalidRequestError)
    assert (good.subject, fine.subject) == ("good", "fine")


@pytest.mark.usefixtures("one_party")
def test_each_keeps_its_own_deadline(flavour: Flavour, script: Scripted) -> None:
    """Who has little time is told in time, while the others wait on."""
    client, gate = flavour.client(script.address), Gate()
    script.script = gate
    most: list[int] = [0]

    def one_has_left() -> bool:
        most.append(waiting_of(client))
        return max(most) == 2 and most[-1] == 1

    gate.open_when(one_has_left)
    calls = [asking("first"), asking("hurried", timeout=0.2), asking("other")]
    patient, late, other = flavour.at_once(client, calls, then=lambda: script.wait_for(1))
    assert isinstance(late, DeadlineExceededError)
    assert (patient.subject, other.subject) == ("first", "other")


async def _cancelled_leader(script: Scripted) -> list[Any]:
    async with AsyncTokenClient(script.address) as client:
        first = asyncio.create_task(client.introspect("first"))
        await asyncio.to_thread(script.wait_for, 1)
        others = [asyncio.create_task(client.introspect(token)) for token in "ab"]
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(*others, first, return_exceptions=True)


@pytest.mark.usefixtures("one_party")
def test_a_cancelled_task_does_not_take_the_others_with_it(script: Scripted) -> None:
    """Those who waited for it go on at once."""
    gate = Gate()
    script.script = gate
    gate.open_when(lambda: len(script.calls) == 2)
    first, second, cancelled = asyncio.run(_cancelled_leader(script))
    assert (first.subject, second.subject) == ("a", "b")
    assert isinstance(cancelled, asyncio.CancelledError)


def test_many_threads_at_once_get_what_is_theirs(script: Scripted) -> None:
    """No answer is mixed up or lost, and there are far fewer calls than tokens."""
    script.script = truthful
    with TokenClient(script.address) as client, ThreadPoolExecutor(32) as pool:
        tokens = [f"token-{number}" for number in range(400)]
        assert [answer.subject for answer in pool.map(client.introspect, tokens)] == tokens
    assert len(script.calls) < 400


def test_together_they_get_what_each_gets_alone(
    server: Served, flavour: Flavour, register: Callable[..., Secret], subject: str
) -> None:
    """The service's answers are the same by Introspect and by a shared BatchIntrospect."""
    client = flavour.client(server.address, credentials=register())
    issued = client.issue(subject=subject, claims={"tenant": "t1"})
    refreshed = client.refresh(issued.refresh_token)
    ended = client.issue(subject=subject)
    client.revoke(session_id=ended.session_id)
    tokens = [issued.access_token, refreshed.refresh_token, ended.access_token, "nonsense", refreshed.access_token]
    alone = [client.introspect(token) for token in tokens]
    together = flavour.at_once(client, [asking(token) for token in tokens * 8])
    revision = max(said.revision for said in alone)
    expected = [replace(said, revision=revision) if said.active else said for said in alone]
    assert together == expected * 8


def test_nobody_waits_longer_than_its_own_time(flavour: Flavour, script: Scripted) -> None:
    """A service that does not answer costs each its own time, leaders and members alike."""
    is_over = threading.Event()
    script.script = lambda asked: truthful(asked) if is_over.wait(10) else DENIED
    client = flavour.client(script.address)
    answers = flavour.at_once(client, [asking(token, timeout=0.1) for token in "abc"])
    is_over.set()
    assert {type(answer) for answer in answers} == {DeadlineExceededError}
