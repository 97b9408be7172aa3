"""Introspect on a busy server: what needs no waiting is answered in the tick, and everything else as if alone."""

import asyncio
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure_of
from tests.rpc.steps import introspect, issue
from tokensvc.rpc import introspected
from tokensvc.rpc.pacing import Pacer

GROUP = 32


async def passes(service: Service, caller: Caller, token: str) -> int:
    """How often a lone Introspect of `token` waits for its turn."""
    before = service.server.counts["rpcs"]
    await introspect(caller, token)
    return service.server.counts["rpcs"] - before


async def test_an_access_token_waits_for_one_turn(service: Service, bff: Caller) -> None:
    """Active or not: it is answered in its turn on the way in; a session has to be read, and takes two turns."""
    issued = await issue(bff)
    assert await passes(service, bff, issued.access_token) == 1
    assert await passes(service, bff, "nonsense") == 1
    assert await passes(service, bff, issued.refresh_token) == 2


class Malformed(Caller):
    """One whose header cannot be read."""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """No base64."""
        return (("authorization", "Basic !"),)


async def outcome(call: Any) -> Any:
    """The answer, or how the call has ended without one."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return failure_of(error).reason
    except asyncio.CancelledError:
        return "cancelled"


@pytest.fixture
def always_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is made now paces everything, however slow the machine is on which it is to be busy."""
    monkeypatch.setattr(Pacer.__init__, "__kwdefaults__", {"enough": 0, "busy": 1})


@pytest.mark.usefixtures("always_paced")
async def test_each_of_a_group_has_its_own_answer(service: Service, bff: Caller) -> None:
    """Good ones, dead ones, refresh tokens, strangers, bad requests and calls that are cancelled, all at once."""
    issued = [await issue(bff, subject=f"user-{place}") for place in range(GROUP)]
    stranger = Caller("bff", "wrong", service.channel)
    malformed = Malformed("bff", "", service.channel)
    calls = []
    for tokens in issued:
        access = pb.IntrospectRequest(token=tokens.access_token)
        cancelled = bff.Introspect(access)
        asyncio.get_running_loop().call_soon(cancelled.cancel)
        calls += [
            bff.Introspect(access),
            bff.Introspect(pb.IntrospectRequest(token=tokens.refresh_token)),
            bff.Introspect(pb.IntrospectRequest(token="nonsense")),
            bff.Introspect(pb.IntrospectRequest()),
            stranger.Introspect(access),
            malformed.Introspect(access),
            cancelled,
        ]
    outcomes = await asyncio.gather(*map(outcome, calls))
    assert service.server.counts["paced"] > GROUP
    for place in range(GROUP):
        access, refresh, dead, *refused, cancelled = outcomes[place * 7 : place * 7 + 7]
        assert (access.subject, refresh.subject, dead.subject) == (f"user-{place}", f"user-{place}", "")
        assert refused == ["INVALID_REQUEST", "CALLER_UNAUTHENTICATED", "CALLER_UNAUTHENTICATED"]
        assert cancelled == "cancelled" or cancelled.subject == f"user-{place}"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[Any, bytes]:
    """The answers that are kept, none of them at first."""
    answers = type(introspected._kept)()
    monkeypatch.setattr(introspected, "_kept", answers)
    return answers


async def test_an_answer_that_is_long_is_not_kept(bff: Caller, kept: dict[Any, bytes]) -> None:
    """What is kept is bounded in bytes; what is too long for it is the same answer, written anew."""
    small, large = await issue(bff), await issue(bff, claims={"x": "y" * 2000})
    for _ in range(2):
        assert (await introspect(bff, small.access_token)).active
        assert (await introspect(bff, large.access_token)).claims["x"] == "y" * 2000
    assert len(kept) == 1


async def test_only_so_many_answers_are_kept(
    bff: Caller, kept: dict[Any, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest one goes first."""
    monkeypatch.setattr(introspected, "_MOST_KEPT", 2)
    for place in range(4):
        assert (await introspect(bff, (await issue(bff, subject=f"user-{place}")).access_token)).active
    assert [token.subject for token in kept] == ["user-2", "user-3"]
