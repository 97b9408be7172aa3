"""How new an introspection's answer is."""

from collections.abc import Collection, Mapping

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.rpc.faults import StoreOver, second_node, server_over, through
from tests.rpc.steps import introspect, is_active, issue, revoke
from tokensvc.domain.effects import Effects
from tokensvc.domain.revocation import EntryKind
from tokensvc.domain.revoke import barrier_entry
from tokensvc.ports import SessionRow, Unit

AN_HOUR = {"seconds": 3600}


async def test_a_revision_that_is_reached_is_answered(bff: Caller) -> None:
    """Demanding the revision that Revoke has answered, one gets an answer that knows the revocation."""
    issued, other = await issue(bff), await issue(bff)
    revision = await revoke(bff, token=issued.access_token)
    assert not await is_active(bff, issued.access_token, min_revision=revision)
    assert (await introspect(bff, other.access_token, min_revision=revision)).revision >= revision


@pytest.mark.parametrize("beyond", [1, 2**62])
async def test_a_revision_that_is_not_reached_is_no_answer(service: Service, bff: Caller, beyond: int) -> None:
    """A revision that the log does not hold is refused with UNAVAILABLE, in a batch as well."""
    token = (await issue(bff)).access_token
    head = (await service.store.view()).revision
    refused = await failure(introspect(bff, token, min_revision=head + beyond))
    assert (refused.code.name, refused.reason) == ("UNAVAILABLE", "STORE_UNAVAILABLE")
    batch = pb.BatchIntrospectRequest(tokens=[token], min_revision=head + beyond)
    assert await failure(bff.BatchIntrospect(batch)) == refused


async def test_a_stale_answer_is_given_where_it_is_permitted(service: Service, bff: Caller) -> None:
    """With max_staleness a node may answer from what it knew that long ago, and not from before."""
    async with second_node(service) as channel:
        there = through(bff, channel)
        issued = await issue(bff)
        assert await is_active(there, issued.access_token)
        await revoke(bff, token=issued.access_token)
        service.clock.advance(seconds=6)
        assert await is_active(there, issued.access_token, max_staleness=AN_HOUR)
        assert not await is_active(there, issued.access_token, max_staleness={"seconds": 5})


async def test_a_demanded_revision_goes_before_permitted_staleness(service: Service, bff: Caller) -> None:
    """With both, the answer knows at least the revision."""
    async with second_node(service) as channel:
        there = through(bff, channel)
        issued = await issue(bff)
        assert await is_active(there, issued.access_token)
        revision = await revoke(bff, token=issued.access_token)
        assert not await is_active(there, issued.access_token, max_staleness=AN_HOUR, min_revision=revision)


async def test_without_a_wish_the_answer_is_never_stale(service: Service, bff: Caller) -> None:
    """By default another node's revocation is known to the very next introspection, also in a batch."""
    async with second_node(service) as channel:
        there = through(bff, channel)
        issued = await issue(bff)
        assert await is_active(there, issued.access_token)
        await revoke(bff, token=issued.access_token)
        batch = await there.BatchIntrospect(pb.BatchIntrospectRequest(tokens=[issued.access_token]))
        assert [result.active for result in batch.results] == [False]


class _RevokingStore(StoreOver):
    """Ends the subject right after a session was read, before its reader hears of it."""

    async def sessions_by_id(self, session_ids: Collection[str]) -> Mapping[str, SessionRow]:
        """Read, then let the log grow and the view with it."""
        rows = await self.inner.sessions_by_id(session_ids)
        entry = barrier_entry(EntryKind.SUBJECT, "ada", 1_800_000_000_000, None, "")
        await self.inner.commit(Unit(lambda _: Effects(None, log=(entry,))))
        await self.inner.view()
        return rows


@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
async def test_an_answer_knows_what_its_revision_holds(service: Service, bff: Caller, *, batch: bool) -> None:
    """A revocation that arrives while a session is read counts, and so does its revision."""
    token = (await issue(bff)).refresh_token
    head = (await service.store.view()).revision
    async with server_over(service, _RevokingStore(service.store)) as channel:
        there = through(bff, channel)
        if batch:
            answer = await there.BatchIntrospect(pb.BatchIntrospectRequest(tokens=[token]))
            active, revision = answer.results[0].active, answer.revision
        else:
            answer = await introspect(there, token)
            active, revision = answer.active, answer.revision
    assert (active, revision) == (False, head + 1 if batch else 0)
