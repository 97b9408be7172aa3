"""Clients that call by an assertion: once it is redeemed it stands for its connection, and nowhere else (case 35)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import audit_service_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client_keys import Signer, by_assertion
from tests.fakes import FakeClock
from tests.harness import ALL_PERMISSIONS, Caller, Failure, Service, failure, failure_of, policy_of, running_service
from tests.rpc.steps import issue
from tests.rpc.tables import rows_of, tables_of
from tests.store.kinds import drop_postgres, postgres_url
from tokensvc.crypto import client_assertions
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.client_authentication import AuthMethod
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.services.clients import OPERATOR

REFUSED = Failure(grpc.StatusCode.UNAUTHENTICATED, "the caller is not authenticated", "CALLER_UNAUTHENTICATED", ())
_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)  # a connection of its own


@dataclass
class AssertingCaller(Caller):
    """A caller that presents an assertion; `secret` is that."""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The authorization entry."""
        return (("authorization", f"Bearer {self.secret}"),)


@asynccontextmanager
async def connected(service: Service, assertion: str, seconds: float = 10) -> AsyncIterator[AssertingCaller]:
    """A caller with this assertion on a connection of its own."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.port}", _OPTIONS) as channel:
        yield AssertingCaller("", assertion, channel, seconds)


async def register(service: Service, client_id: str = "bff", **fields: Any) -> None:
    """Register a client that calls by assertions of its key."""
    client = Client(
        client_id,
        permissions=fields.pop("permissions", ALL_PERMISSIONS),
        acts_for=frozenset({"*"}),
        audiences=frozenset({"api"}),
        policy=policy_of(),
        **(by_assertion() | fields),
    )
    await service.clients.create(client, confidential=True, caller=OPERATOR)


@pytest.fixture
async def signer(service: Service, clock: FakeClock) -> Signer:
    """The registered client `bff`."""
    await register(service)
    return Signer("bff", clock)


def introspect(caller: Caller, **fields: Any) -> Awaitable[pb.IntrospectResponse]:
    """A call that needs nothing but its caller."""
    answer: Awaitable[pb.IntrospectResponse] = caller.Introspect(pb.IntrospectRequest(token="nonsense", **fields))
    return answer


async def is_taken(caller: Caller) -> bool:
    """Whether the caller is recognised, or else refused like everybody."""
    try:
        await introspect(caller)
    except grpc.aio.AioRpcError as error:
        if failure_of(error) != REFUSED:
            raise
        return False
    return True


async def test_an_assertion_authenticates(service: Service, signer: Signer) -> None:
    """What the client may do, it may do by it; what is issued is as from any other caller."""
    async with connected(service, signer.assertion()) as bff:
        issued = await issue(bff)
        assert (await bff.Introspect(pb.IntrospectRequest(token=issued.access_token))).client_id == "bff"


async def test_its_permissions_are_the_clients(service: Service, clock: FakeClock) -> None:
    """Who is recognised is not by that permitted."""
    await register(service, permissions=frozenset({Permission.REVOKE}))
    async with connected(service, Signer("bff", clock).assertion()) as bff:
        assert (await failure(introspect(bff))).reason == "CALLER_NOT_PERMITTED"


async def test_the_caller_may_keep_it(
    service: Service, signer: Signer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its connection, until it expires; its signature is checked once."""
    async with connected(service, signer.assertion()) as bff:
        assert await is_taken(bff)
        monkeypatch.delattr(client_assertions, "is_signed")
        used = rows_of(service, "used_ids")
        for _ in range(10):
            assert await is_taken(bff)
        assert rows_of(service, "used_ids") == used
        clock.advance(seconds=69)
        assert await is_taken(bff)
        clock.advance(seconds=1)
        assert not await is_taken(bff)


async def test_case_35_on_another_connection_it_was_used(service: Service, signer: Signer) -> None:
    """Who has stolen it comes too late, and the one it was stolen from goes on."""
    assertion = signer.assertion()
    async with connected(service, assertion) as bff, connected(service, assertion) as thief:
        assert await is_taken(bff)
        assert not await is_taken(thief)
        assert await is_taken(bff)


async def test_case_35_another_with_the_same_jti_was_used(service: Service, signer: Signer) -> None:
    """On the same connection too; one with another jti is another."""
    first, second = (signer.assertion(claims=signer.claims(jti="one", nbf=number)) for number in (1, 2))
    async with connected(service, first) as bff:
        assert await is_taken(bff)
        assert not await is_taken(replace(bff, secret=second))
        assert await is_taken(replace(bff, secret=signer.assertion()))
        assert await is_taken(bff)


async def test_clients_have_ids_of_their_own(service: Service, signer: Signer, clock: FakeClock) -> None:
    """Nobody can use up the ids of another client."""
    await register(service, "web", **by_assertion(name="web"))
    web = Signer("web", clock, name="web")
    for each in (signer, web):
        async with connected(service, each.assertion(claims=each.claims(jti="one"))) as caller:
            assert await is_taken(caller)


async def test_calls_that_bring_it_together_are_all_taken(service: Service, signer: Signer) -> None:
    """A caller that begins with many calls at once uses its assertion once."""
    async with connected(service, signer.assertion()) as bff:
        assert all(await asyncio.gather(*(is_taken(bff) for _ in range(20))))
    assert len(rows_of(service, "used_ids")) == 1


async def test_each_call_may_bring_one_of_its_own(service: Service, signer: Signer) -> None:
    """However many there are, and those that are kept go on to be good."""
    async with connected(service, signer.assertion()) as keeping:
        for _ in range(3):
            assert await is_taken(keeping)
            callers = [replace(keeping, secret=signer.assertion()) for _ in range(20)]
            assert all(await asyncio.gather(*map(is_taken, callers)))


async def test_a_disabled_client_is_refused_at_once(service: Service, signer: Signer) -> None:
    """Also while its assertion is remembered, and when it is enabled again that one has been used."""
    async with connected(service, signer.assertion()) as bff:
        assert await is_taken(bff)
        await service.clients.set_disabled("bff", disabled=True, caller=OPERATOR)
        assert not await is_taken(bff)
        assert not await is_taken(replace(bff, secret=signer.assertion()))
        await service.clients.set_disabled("bff", disabled=False, caller=OPERATOR)
        assert not await is_taken(bff)
        assert await is_taken(replace(bff, secret=signer.assertion()))


async def test_a_change_that_nobody_saw_ends_it_too(service: Service, signer: Signer, clock: FakeClock) -> None:
    """Disabled and enabled between two calls, or with other keys: a new assertion is needed."""
    async with connected(service, signer.assertion()) as bff:
        assert await is_taken(bff)
        clock.advance(seconds=1)
        for disabled in (True, False):
            await service.clients.set_disabled("bff", disabled=disabled, caller=OPERATOR)
        assert not await is_taken(bff)
        renewed = replace(bff, secret=signer.assertion())
        assert await is_taken(renewed)
        await service.clients.update("bff", {"keys": by_assertion(name="new")["keys"]}, caller=OPERATOR)
        assert not await is_taken(renewed)
        assert await is_taken(replace(bff, secret=Signer("bff", clock, name="new").assertion()))


BAD: dict[str, Callable[[Signer], str]] = {
    "another's key": lambda signer: replace(signer, name="thief").assertion(),
    "another client": lambda signer: replace(signer, client_id="other").assertion(),
    "unknown client": lambda signer: replace(signer, client_id="nobody").assertion(),
    "client with a secret": lambda signer: replace(signer, client_id="secret").assertion(),
    "public client": lambda signer: replace(signer, client_id="public").assertion(),
    "algorithm": lambda signer: replace(signer, algorithm="ES384").assertion(),
    "audience": lambda signer: signer.assertion(claims=signer.claims(aud="https://other.test")),
    "expired": lambda signer: signer.assertion(claims=signer.claims(exp=1_799_999_000)),
    "for too long": lambda signer: signer.assertion(claims=signer.claims(exp=1_800_009_000)),
    "no jti": lambda signer: signer.assertion(claims=signer.claims(jti=None)),
    "no signature": lambda signer: signer.assertion().rpartition(".")[0] + ".",
    "too long": lambda signer: signer.assertion(claims=signer.claims(x="x" * 4000)),
    "no assertion": lambda _: "nonsense",
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("kind", BAD)
async def test_case_36_whatever_is_wrong_is_refused_alike(service: Service, signer: Signer, kind: str) -> None:
    """Code, text and details are those of a wrong secret, and nothing is written."""
    await register(service, "other", **by_assertion(name="other"))
    await service.caller("secret")
    await service.public_client("public")
    before = tables_of(service)
    async with connected(service, BAD[kind](signer)) as caller:
        refused = await failure(introspect(caller))
    assert refused == await failure(introspect(Caller("bff", "tscs_wrong", service.channel))) == REFUSED
    assert tables_of(service) == before


async def test_an_access_token_is_no_assertion_nor_the_reverse(service: Service, signer: Signer) -> None:
    """Each is refused where the other belongs (case 31)."""
    assertion = signer.assertion()
    async with connected(service, assertion) as bff:
        token = (await issue(bff)).access_token
        assert not await is_taken(replace(bff, secret=token))
        assert not (await bff.Introspect(pb.IntrospectRequest(token=assertion))).active


async def test_a_client_has_one_method(service: Service, signer: Signer) -> None:
    """A secret is of no use for it, also the one that it had before."""
    before = await service.caller("web")
    await service.clients.update("web", by_assertion(name="web"), caller=OPERATOR)
    for secret in (before.secret, ""):
        assert not await is_taken(Caller("web", secret, service.channel))
    async with connected(service, replace(signer, client_id="web", name="web").assertion()) as web:
        assert await is_taken(web)
        await service.clients.update("web", {"auth_method": AuthMethod.SECRET}, caller=OPERATOR)
        assert not await is_taken(web)
        assert not await is_taken(replace(before))
        rotated = await service.clients.rotate_secret("web", caller=OPERATOR)
        assert await is_taken(replace(before, secret=rotated.secret))


async def test_a_refusal_is_recorded_with_the_client_that_was_claimed(service: Service, signer: Signer) -> None:
    """If there is such a client."""
    async with connected(service, replace(signer, name="thief").assertion()) as thief:
        assert not await is_taken(thief)
    await service.server._refusals.flush()
    refused = [row for row in rows_of(service, "audit_events") if row["type"] == "refused"]
    assert [(row["client_id"], row["caller"], row["reason"]) for row in refused] == [
        ("bff", "", "CALLER_UNAUTHENTICATED")
    ]


async def test_a_stream_lasts_longer_than_its_assertion(service: Service, clock: FakeClock) -> None:
    """It was redeemed when the stream began; the stream ends when the client may not call any more."""
    await register(service, permissions=frozenset({Permission.ADMIN}))
    async with connected(service, Signer("bff", clock).assertion(), seconds=30) as bff:
        watch = bff.WatchAuditEvents(audit_service_pb2.WatchAuditEventsRequest())
        await watch.initial_metadata()
        clock.advance(seconds=3600)
        reading = asyncio.create_task(_end_of(watch))
        await asyncio.wait([reading], timeout=1.2)
        assert not reading.done()
        await service.clients.set_disabled("bff", disabled=True, caller=OPERATOR)
        assert (await reading).code() is grpc.StatusCode.UNAUTHENTICATED


async def _end_of(stream: Any) -> grpc.aio.AioRpcError:
    try:
        while await stream.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the stream has ended without an error")


async def test_a_caller_that_goes_away_has_used_it_for_its_connection(service: Service, signer: Signer) -> None:
    """What was begun is finished: the next call on the connection finds it redeemed."""
    async with connected(service, signer.assertion()) as bff:
        call: Any = introspect(bff)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await is_taken(bff)


async def test_without_the_database_nobody_is_recognised(service: Service, signer: Signer) -> None:
    """An assertion that cannot be redeemed for good is not taken, and may be brought again."""
    async with connected(service, signer.assertion()) as bff:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service.store, "commit", _unavailable)
            assert (await failure(introspect(bff))).reason == "STORE_UNAVAILABLE"
        assert await is_taken(bff)


async def _unavailable(_unit: object) -> None:
    raise RefusedError(Reason.STORE_UNAVAILABLE, "the database cannot be reached")


async def test_staleness_is_no_way_around(service: Service, signer: Signer) -> None:
    """A call that may be answered from an older view is recognised by it, and not twice."""
    assertion = signer.assertion()
    async with connected(service, assertion) as bff, connected(service, assertion) as thief:
        for _ in range(2):
            await introspect(bff, max_staleness={"seconds": 5})
        assert (await failure(introspect(thief, max_staleness={"seconds": 5}))).reason == "CALLER_UNAUTHENTICATED"


@pytest.fixture(params=["sqlite", "postgres"])
async def nodes(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[list[Service]]:
    """Two nodes on one database."""
    data, flags = tmp_path / "data", {"clock": clock}
    if request.param == "postgres":
        flags["database_url"] = postgres_url(data)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running_service(data, **flags)) for _ in range(2)]
    drop_postgres(data)


async def test_case_35_of_two_nodes_one_takes_it(nodes: list[Service], clock: FakeClock) -> None:
    """Twenty presentations at once: those on one connection are taken, those on the other are not, nor later."""
    await register(nodes[0])
    signer = Signer("bff", clock)
    for _ in range(5):
        assertion = signer.assertion()
        async with connected(nodes[0], assertion) as one, connected(nodes[1], assertion) as other:
            for caller in (one, other):
                await caller.channel.channel_ready()
            taken = await asyncio.gather(*(is_taken(caller) for _ in range(10) for caller in (one, other)))
            assert sorted([sum(taken[::2]), sum(taken[1::2])]) == [0, 10]
            assert [await is_taken(one), await is_taken(other)] == [taken[0], taken[1]]


async def test_another_node_sees_a_disable_at_once(nodes: list[Service], clock: FakeClock) -> None:
    """Though it remembers the assertion."""
    await register(nodes[0])
    async with connected(nodes[1], Signer("bff", clock).assertion()) as bff:
        assert await is_taken(bff)
        await nodes[0].clients.set_disabled("bff", disabled=True, caller=OPERATOR)
        assert not await is_taken(bff)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_case_35_after_a_restart_it_was_used(tmp_path: Path, clock: FakeClock, database: str) -> None:
    """What was redeemed is durable; what is remembered for a connection is not."""
    data, flags = tmp_path / "data", {"clock": clock}
    if database == "postgres":
        flags["database_url"] = postgres_url(data)
    assertion = Signer("bff", clock).assertion()
    async with running_service(data, **flags) as service, connected(service, assertion) as bff:
        await register(service)
        assert await is_taken(bff)
    async with running_service(data, **flags) as service, connected(service, assertion) as bff:
        assert not await is_taken(bff)
    drop_postgres(data)
