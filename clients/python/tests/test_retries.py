"""When a call is made again."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from flavours import Flavour
from scripted import Refusal, Scripted, each_in_turn
from tokensvc_client import (
    Client,
    DeadlineExceededError,
    DpopProof,
    OverloadedError,
    RateLimitedError,
    Retries,
    UnauthenticatedError,
    UnavailableError,
)
from tokensvc_client.retrying import RetryBudget
from tokensvc_pb.v1 import key_service_pb2, token_service_pb2

GONE = Refusal(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
BUSY = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_after=0.01)
PROOF = DpopProof("proof", "POST", "https://bff.test/refresh")
KEY = "an-idempotency-key"

SAFE: dict[str, Callable[[Any], Any]] = {
    "Introspect": lambda client: client.introspect("token"),
    "BatchIntrospect": lambda client: client.batch_introspect(["token"]),
    "Refresh": lambda client: client.refresh("token"),
    "Revoke": lambda client: client.revoke(subject="ada"),
    "Issue with a key": lambda client: client.issue(subject="ada", idempotency_key=KEY),
    "GetJwks": lambda client: client.get_jwks(),
    "ListKeys": lambda client: client.list_keys(),
    "ListSessions": lambda client: client.list_sessions(subject="ada"),
    "GetSession": lambda client: client.get_session("session"),
    "GetClient": lambda client: client.get_client("bff"),
    "ListClients": lambda client: client.list_clients(),
    "ListAuditEvents": lambda client: client.list_audit_events(),
}
UNSAFE: dict[str, Callable[[Any], Any]] = {
    "Issue": lambda client: client.issue(subject="ada"),
    "Introspect with a proof": lambda client: client.introspect("token", dpop=PROOF),
    "Refresh with a proof": lambda client: client.refresh("token", dpop=PROOF),
    "Exchange": lambda client: client.exchange("token", audiences=["api"]),
    "CreateClient": lambda client: client.create_client(Client("bff")),
    "RotateClientSecret": lambda client: client.rotate_client_secret("bff"),
    "DeleteClient": lambda client: client.delete_client("bff"),
}


@pytest.mark.parametrize("call", SAFE.values(), ids=SAFE)
def test_what_is_safe_is_repeated(flavour: Flavour, script: Scripted, call: Callable[[Any], Any]) -> None:
    """A call that lost its service is made again, with the same request."""
    succeed = script.script
    script.script = lambda asked: GONE if len(script.calls) == 1 else succeed(asked)
    call(flavour.client(script.address))
    first, second = script.calls
    assert first.request == second.request


@pytest.mark.parametrize("call", UNSAFE.values(), ids=UNSAFE)
def test_what_is_not_safe_is_not_repeated(flavour: Flavour, script: Scripted, call: Callable[[Any], Any]) -> None:
    """What may have been done would be done twice, or fail for having been done."""
    script.script = lambda asked: GONE
    with pytest.raises(UnavailableError):
        call(flavour.client(script.address))
    assert len(script.calls) == 1


def test_there_is_an_end_to_it(flavour: Flavour, script: Scripted) -> None:
    """So many attempts and no more."""
    script.script = lambda asked: GONE
    with pytest.raises(UnavailableError):
        flavour.client(script.address, retries=Retries(attempts=3)).get_jwks()
    assert len(script.calls) == 3


def test_a_busy_service_is_left_alone(flavour: Flavour, script: Scripted) -> None:
    """Unless it is asked for, the caller is told at once."""
    script.script = lambda asked: BUSY
    with pytest.raises(OverloadedError):
        flavour.client(script.address).get_jwks()
    assert len(script.calls) == 1


def test_a_busy_service_is_waited_for_where_it_is_asked_for(flavour: Flavour, script: Scripted) -> None:
    """Nothing was done, so any call may come again: also an Issue without a key."""
    script.script = each_in_turn(BUSY, token_service_pb2.IssueResponse(session_id="s-1"))
    client = flavour.client(script.address, retries=Retries(when_busy=True))
    assert client.issue(subject="ada").session_id == "s-1"


def test_no_pause_goes_past_the_deadline(flavour: Flavour, script: Scripted) -> None:
    """Where the service names a longer pause than there is time, the caller is told at once."""
    script.script = lambda asked: Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry_after=0.9)
    client = flavour.client(script.address, retries=Retries(when_busy=True), timeout=0.8)
    with pytest.raises(RateLimitedError):
        client.get_jwks()
    assert len(script.calls) == 1


def test_all_attempts_share_one_deadline(flavour: Flavour, script: Scripted) -> None:
    """The service is told the time that is left."""
    script.script = each_in_turn(GONE, GONE, GONE, key_service_pb2.GetJwksResponse())
    flavour.client(script.address).get_jwks(timeout=3.0)
    first, *_, last = (asked.seconds_left for asked in script.calls)  # gRPC rounds them, to a tenth and more
    assert last < 2.8 < first < 3.2


def test_calls_have_a_deadline_unless_it_is_taken_away(flavour: Flavour, script: Scripted) -> None:
    """Five seconds, or what the client or the call says."""
    flavour.client(script.address).get_jwks()
    flavour.client(script.address, timeout=60.0).get_jwks()
    flavour.client(script.address, timeout=None).get_jwks()
    default, named, none = (asked.seconds_left for asked in script.calls)
    assert 3 < default < 6
    assert 50 < named < 62
    assert none > 1_000_000


def test_a_deadline_that_passes_is_told(flavour: Flavour, script: Scripted) -> None:
    """It is not repeated: the time is over."""
    is_over = threading.Event()
    script.script = lambda asked: GONE if is_over.wait(10) else BUSY
    with pytest.raises(DeadlineExceededError):
        flavour.client(script.address).get_jwks(timeout=0.1)
    is_over.set()
    assert len(script.calls) == 1


def test_pauses_grow_and_differ_by_chance() -> None:
    """From a tenth of a second up to about one."""
    error = UnavailableError("gone")
    retries = Retries(attempts=9)
    pauses = [retries.pause(error, attempt, is_repeatable=True, chance=0.5) for attempt in range(1, 7)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    assert retries.pause(error, 1, is_repeatable=True, chance=0.0) == pytest.approx(0.05)


def test_a_named_pause_is_kept_and_spread() -> None:
    """At least what the service says, and by chance up to as long again."""
    error = OverloadedError("busy", retry_after=timedelta(seconds=2))
    retries = Retries(when_busy=True)
    pauses = [retries.pause(error, 1, is_repeatable=False, chance=chance) for chance in (0.0, 1.0)]
    assert pauses == [2.0, 4.0]


def test_other_failures_are_final() -> None:
    """What is wrong with a request or a caller does not pass."""
    assert Retries().pause(UnauthenticatedError("no"), 1, is_repeatable=True, chance=0.5) is None


def test_a_budget_stops_retries_while_most_calls_fail() -> None:
    """After a few failures in a row nothing is repeated, until enough has succeeded."""
    budget = RetryBudget()
    for _ in range(5):
        budget.failed()
    assert not budget.allows
    budget.succeeded()
    assert budget.allows
