"""How a traded token dies: with everything that it was made from; and how a dead token cannot be traded."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.fakes import FakeClock
from tests.harness import Caller, Service, failure
from tests.rpc.exchanges import READER, Company, founded
from tests.rpc.faults import second_node, through
from tests.rpc.refresh_formats import Place, place_on
from tests.rpc.steps import exchange, is_active, issue, refresh, revoke
from tokensvc.services.clients import OPERATOR

DEVICE = {"id": "phone"}
AGENT = {"id": "desk"}
End = Callable[[Service, Company, pb.IssueResponse], Awaitable[Any]]


async def _the_token(_: Service, company: Company, issued: pb.IssueResponse) -> None:
    await revoke(company.app, token=issued.access_token)


async def _its_session(_: Service, company: Company, issued: pb.IssueResponse) -> None:
    await revoke(company.app, session_id=issued.session_id)


async def _its_refresh_token(_: Service, company: Company, issued: pb.IssueResponse) -> None:
    await revoke(company.app, token=issued.refresh_token)


async def _reuse(_: Service, company: Company, issued: pb.IssueResponse) -> None:
    second = await refresh(company.app, issued.refresh_token)
    await refresh(company.app, second.refresh_token)
    assert (await failure(refresh(company.app, issued.refresh_token))).reason == "REFRESH_TOKEN_REUSED"


async def _its_subject(service: Service, company: Company, issued: pb.IssueResponse) -> None:
    await revoke(company.app, subject=await _subject_of(service, issued))


async def _its_subject_by_a_moment(service: Service, company: Company, issued: pb.IssueResponse) -> None:
    """A moment that lies between the login and the exchange."""
    moment = {"seconds": service.clock() // 1000 - 30}
    await revoke(company.app, subject=await _subject_of(service, issued), issued_before=moment)


async def _its_device(service: Service, company: Company, issued: pb.IssueResponse) -> None:
    token = service.keys.access_tokens.verify(issued.access_token)
    assert token is not None
    await revoke(company.app, device={"subject": token.subject, "device_id": token.device_id})


async def _its_client(_: Service, company: Company, __: pb.IssueResponse) -> None:
    await revoke(company.app, client_id="app")


async def _its_client_disabled(service: Service, _: Company, __: pb.IssueResponse) -> None:
    await service.clients.set_disabled("app", disabled=True, caller=OPERATOR)


async def _its_client_disabled_for_a_while(service: Service, _: Company, __: pb.IssueResponse) -> None:
    for disabled in (True, False):
        await service.clients.set_disabled("app", disabled=disabled, caller=OPERATOR)


async def _its_client_deleted(service: Service, _: Company, __: pb.IssueResponse) -> None:
    await service.clients.delete("app", caller=OPERATOR)


async def _its_client_registered_anew(service: Service, company: Company, issued: pb.IssueResponse) -> None:
    await _its_client_deleted(service, company, issued)
    await service.public_client("app")


async def _its_expiry(service: Service, _: Company, __: pb.IssueResponse) -> None:
    service.clock.advance(seconds=240)  # and the minute that each test lets pass


async def _subject_of(service: Service, issued: pb.IssueResponse) -> str:
    token = service.keys.access_tokens.verify(issued.access_token)
    assert token is not None
    return token.subject


ENDS: list[End] = [
    _the_token,
    _its_session,
    _its_refresh_token,
    _reuse,
    _its_subject,
    _its_subject_by_a_moment,
    _its_device,
    _its_client,
    _its_client_disabled,
    _its_client_disabled_for_a_while,
    _its_client_deleted,
    _its_client_registered_anew,
    _its_expiry,
]
EACH_END = pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__.strip("_"))


@EACH_END
async def test_case_40_a_dead_subject_token_is_not_traded(service: Service, company: Company, end: End) -> None:
    """However it died, and whether it was a first token or a traded one; in the words of any bad token."""
    issued = await issue(company.app, device=DEVICE)
    traded = await company.chain(issued.access_token, 1)
    service.clock.advance(seconds=60)
    assert (await exchange(company.orders, issued.access_token)).access_token
    bad = await failure(exchange(company.orders, "nonsense"))
    await end(service, company, issued)
    assert await failure(exchange(company.orders, issued.access_token)) == bad
    assert await failure(exchange(company.ledger, traded, "mail")) == bad


@EACH_END
async def test_case_40_a_dead_actor_token_is_not_accepted(service: Service, company: Company, end: End) -> None:
    """The same for the token of who acts, while the subject's token is as good as ever."""
    issued = await issue(company.app, "agent", device=AGENT)
    service.clock.advance(seconds=60)
    subject = (await issue(company.web)).access_token
    assert (await exchange(company.orders, subject, actor_token=issued.access_token)).access_token
    bad = await failure(exchange(company.orders, "nonsense"))
    await end(service, company, issued)
    assert await failure(exchange(company.orders, subject, actor_token=issued.access_token)) == bad


@EACH_END
async def test_a_traded_token_ends_with_its_subject_token(
    service: Service, company: Company, reader: Caller, end: End
) -> None:
    """Whatever ends that, ends all that was traded for it, to the end of the chain; others live."""
    issued = await issue(company.app, device=DEVICE)
    service.clock.advance(seconds=60)
    traded = [await company.chain(issued.access_token, times) for times in (1, 2, 4)]
    other = await company.chain((await issue(company.web, "eve")).access_token, 2)
    assert [await is_active(reader, token) for token in traded] == [True] * 3
    await end(service, company, issued)
    assert [await is_active(reader, token) for token in traded] == [False] * 3
    batch = await reader.BatchIntrospect(pb.BatchIntrospectRequest(tokens=[*traded, other]))
    assert [result.active for result in batch.results] == [False, False, False, True]


@EACH_END
async def test_a_traded_token_ends_with_its_actor_token(
    service: Service, company: Company, reader: Caller, end: End
) -> None:
    """Who is dismissed acts for nobody any more, also further down the chain."""
    issued = await issue(company.app, "agent", device=AGENT)
    service.clock.advance(seconds=60)
    subject = (await issue(company.web)).access_token
    first = (await exchange(company.orders, subject, actor_token=issued.access_token)).access_token
    second = (await exchange(company.ledger, first, "mail")).access_token
    assert [await is_active(reader, token) for token in (subject, first, second)] == [True] * 3
    await end(service, company, issued)
    assert [await is_active(reader, token) for token in (subject, first, second)] == [True, False, False]


@pytest.mark.parametrize("how", ["revoked", "disabled", "for a while", "deleted"])
async def test_a_traded_token_ends_with_who_has_traded_it(
    service: Service, company: Company, reader: Caller, how: str
) -> None:
    """A service that is switched off or ended takes with it what it has traded, and what others made of that."""
    token = await company.token()
    first = await company.chain(token, 1)
    second = (await exchange(company.ledger, first, "mail")).access_token
    if how == "revoked":
        await revoke(company.app, client_id="orders")
    elif how == "deleted":
        await service.clients.delete("orders", caller=OPERATOR)
    else:
        for disabled in (True, False) if how == "for a while" else (True,):
            await service.clients.set_disabled("orders", disabled=disabled, caller=OPERATOR)
    assert [await is_active(reader, one) for one in (token, first, second)] == [True, False, False]


async def test_who_was_ended_once_can_trade_again(service: Service, company: Company, reader: Caller) -> None:
    """What ended a service's tokens of before ends none of those after: also where the login is older than that."""
    token = await company.token()
    first = await company.chain(token, 1)
    await revoke(company.app, client_id="orders")
    service.clock.advance(seconds=1)
    second = await company.chain(token, 1)
    assert [await is_active(reader, one) for one in (first, second)] == [False, True]


async def test_a_clock_that_is_behind_makes_no_dead_token(service: Service, company: Company, reader: Caller) -> None:
    """A cut-off that lies ahead of this node's clock has been raised, so what is traded after it lives."""
    token = await company.token()
    await revoke(company.app, client_id="orders", issued_before={"seconds": service.clock() // 1000})
    service.clock.advance(seconds=-5)
    assert await is_active(reader, await company.chain(token, 1))


async def test_a_traded_token_can_be_revoked_by_itself(company: Company, reader: Caller) -> None:
    """Its jti is its own: what was made of it ends too, the token before and its session do not."""
    token = await company.token()
    first = await company.chain(token, 1)
    second = (await exchange(company.ledger, first, "mail")).access_token
    await revoke(company.orders, token=first)
    assert [await is_active(reader, one) for one in (token, first, second)] == [True, False, False]


async def test_the_next_token_of_the_session_is_no_way_around(company: Company, reader: Caller) -> None:
    """A token that was revoked takes with it what was traded for it; the session's next token is as good as new."""
    issued = await issue(company.app)
    traded = await company.chain(issued.access_token, 1)
    await revoke(company.app, token=issued.access_token)
    again = await company.chain((await refresh(company.app, issued.refresh_token)).access_token, 1)
    assert [await is_active(reader, one) for one in (traded, again)] == [False, True]


async def test_a_revocation_is_known_on_another_node_at_once(service: Service, company: Company) -> None:
    """Exchange looks as strongly as Introspect does: what was revoked at one node is not traded at another."""
    async with second_node(service) as channel:
        there = through(company.orders, channel)
        issued = await issue(company.app)
        traded = (await exchange(there, issued.access_token)).access_token
        await revoke(company.app, session_id=issued.session_id)
        assert (await failure(exchange(there, issued.access_token))).reason == "SUBJECT_TOKEN_INVALID"
        assert not await is_active(through(company.ledger, channel), traded)


@pytest.fixture
async def place(database: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Place]:
    """Where a service is started and stopped, on the database under test."""
    async with place_on(database, tmp_path / "data", clock) as place:
        yield place


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_it_is_so_on_both_databases_and_after_a_restart(place: Place) -> None:
    """Policies, chains and what has ended them are there when the service comes back."""
    service = await place.start()
    company, reader = await founded(service), await service.caller("reader", **READER)
    issued, other = await issue(company.app, device=DEVICE), await issue(company.app)
    dead, living = [await company.chain(one.access_token, 2) for one in (issued, other)]
    await revoke(company.app, device={"subject": "ada", "device_id": "phone"})
    await place.stop()
    service = await place.start()
    there = through(reader, service.channel)
    assert [await is_active(there, one) for one in (dead, living)] == [False, True]
    orders = through(company.orders, service.channel)
    assert (await exchange(orders, other.access_token)).access_token
    assert (await failure(exchange(orders, issued.access_token))).reason == "SUBJECT_TOKEN_INVALID"
