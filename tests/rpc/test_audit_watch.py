"""WatchAuditEvents over real gRPC: what comes, and how it ends."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import audit_service_pb2 as pb

from tests.harness import Caller, Service, failure_of, running_service
from tests.rpc.faults import StoreOver, server_over, through
from tests.rpc.steps import issue
from tokensvc.domain.client import Permission
from tokensvc.domain.effects import Effects
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import DAY
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.ports import AuditFilter, AuditPage, AuditQuery, Rows, Unit
from tokensvc.rpc import streams
from tokensvc.services.clients import OPERATOR

LIMIT = 30  # seconds after which a test has failed
LONG_AGO = 1  # the number of the first event


@pytest.fixture
async def admin(service: Service) -> Caller:
    """A caller that may read the trail."""
    return await service.caller("admin", permissions=frozenset(Permission))


async def watch(caller: Caller, after: int = 0, **where: Any) -> Any:
    """A stream that has begun."""
    request = pb.WatchAuditEventsRequest(filter=pb.AuditFilter(**where), after_sequence=after)
    stream = caller.within(LIMIT).WatchAuditEvents(request)
    await stream.initial_metadata()
    return stream


async def read(stream: Any, count: int) -> list[pb.AuditEvent]:
    """The next events."""
    return [(await asyncio.wait_for(stream.read(), LIMIT)).event for _ in range(count)]


async def end_of(stream: Any) -> grpc.aio.AioRpcError:
    """The error that a stream ends with, whatever comes before."""
    try:
        while await asyncio.wait_for(stream.read(), LIMIT) is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the stream ended without an error")


async def test_a_watcher_sees_what_happens_from_now_on(admin: Caller) -> None:
    """Without a number nothing of what was before comes, and everything of what follows."""
    await issue(admin, "before")
    stream = await watch(admin)
    for number in range(3):
        await issue(admin, str(number))
    assert [event.subject for event in await read(stream, 3)] == ["0", "1", "2"]


async def test_a_watch_goes_on_behind_any_event(admin: Caller) -> None:
    """Wherever a stream has broken off, the next one has the rest: nothing is missed and nothing comes twice."""
    for number in range(5):
        await issue(admin, str(number))
    everything = await read(await watch(admin, LONG_AGO), 5)
    for place, event in enumerate(everything[:-1], 1):
        assert await read(await watch(admin, event.sequence), 5 - place) == everything[place:]


async def test_a_watcher_sees_only_what_it_asks_for(admin: Caller) -> None:
    """The filter holds in the stream as in the list."""
    stream = await watch(admin, subject="ada", types=["session.issued"])
    await issue(admin, "bob")
    await issue(admin, "ada")
    assert [event.subject for event in await read(stream, 1)] == ["ada"]


async def test_watchers_of_a_busy_trail_see_all_of_it_in_order(admin: Caller) -> None:
    """Several watchers see the same hundred events of many callers, in the same order."""
    streams = [await watch(admin) for _ in range(3)]
    await asyncio.gather(*(issue(admin, str(number)) for number in range(100)))
    seen = [[event.sequence for event in await read(stream, 100)] for stream in streams]
    assert seen[0] == seen[1] == seen[2] == [*range(seen[0][0], seen[0][0] + 100)]


async def test_a_watcher_that_is_disabled_is_ended(service: Service, admin: Caller) -> None:
    """Soon after its client is disabled the stream ends as any call of that client would."""
    stream = await watch(admin)
    await service.clients.set_disabled("admin", disabled=True, caller=OPERATOR)
    assert failure_of(await end_of(stream)).reason == "CALLER_UNAUTHENTICATED"


async def test_a_watcher_that_loses_the_permission_is_ended(service: Service, admin: Caller) -> None:
    """So it is when the client may no longer read the trail."""
    stream = await watch(admin)
    await lose_permission(service)
    assert failure_of(await end_of(stream)).reason == "CALLER_NOT_PERMITTED"


async def lose_permission(service: Service) -> None:
    """Take every permission from the client `admin`."""
    now = service.clock()
    entry = LogEntry(EntryKind.CLIENT_CHANGED, "admin", at=now, expires_at=now + DAY)

    def decide(rows: Rows) -> Effects[None]:
        client = rows.client("admin")
        assert client is not None
        return Effects(None, client=replace(client, permissions=frozenset()), log=(entry,))

    await service.store.commit(Unit(decide, client_id="admin"))


async def test_nobody_watches_without_the_permission(bff: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal comes at once, and not when the rights of the caller are looked at again."""
    monkeypatch.setattr(streams, "_LOOK_SECONDS", 2 * LIMIT)
    stream = bff.WatchAuditEvents(pb.WatchAuditEventsRequest())
    assert failure_of(await end_of(stream)).reason == "CALLER_NOT_PERMITTED"


async def test_a_watcher_is_told_where_it_begins(admin: Caller) -> None:
    """Before any event: so it can go on though it has seen none, and misses nothing of what came meanwhile."""
    stream = await watch(admin)
    after = int(dict(await stream.initial_metadata())["tokensvc-after-sequence"])
    stream.cancel()
    for number in range(3):
        await issue(admin, str(number))
    again = await watch(admin, after)
    assert dict(await again.initial_metadata())["tokensvc-after-sequence"] == str(after)
    assert [event.subject for event in await read(again, 3)] == ["0", "1", "2"]


async def test_a_number_ahead_of_the_trail_is_refused(admin: Caller) -> None:
    """With the field named, instead of waiting for events that pass unseen."""
    refused = failure_of(await end_of(admin.WatchAuditEvents(pb.WatchAuditEventsRequest(after_sequence=50))))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("after_sequence",))


@pytest.mark.parametrize("after", [-1, 2**63 - 1])
async def test_a_number_that_no_event_has_is_refused(admin: Caller, after: int) -> None:
    """With the field named."""
    refused = failure_of(await end_of(admin.WatchAuditEvents(pb.WatchAuditEventsRequest(after_sequence=after))))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("after_sequence",))


async def test_streams_end_with_the_server(tmp_path: Path) -> None:
    """At a stop they end at once and without an error, those too that nobody reads from."""
    async with running_service(tmp_path, memory=True) as service:
        admin = await service.caller("admin", permissions=frozenset(Permission))
        read_from, left_alone = await watch(admin), await watch(admin, LONG_AGO)
        for _ in range(50):
            await issue(admin)
        await read(read_from, 50)
        await asyncio.wait_for(service.server.stop(grace=600), LIMIT)
        assert await read_from.read() is grpc.aio.EOF
        left_alone.cancel()


async def test_a_watcher_that_goes_away_leaves_nothing_behind(service: Service, admin: Caller) -> None:
    """When the caller cancels, the stream's work ends."""
    stream = await watch(admin)
    stream.cancel()
    guard = service.server._guard
    async with asyncio.timeout(LIMIT):
        while guard.under_way or guard._streams._open:  # noqa: ASYNC110 - nobody tells of this
            await asyncio.sleep(0.01)


class _BrokenTrail(StoreOver):
    """The trail can be read until it breaks."""

    broken = False

    async def audit_numbers(self, after: int, limit: int) -> Any:
        """Fail when it is broken."""
        if self.broken:
            raise RefusedError(Reason.STORE_UNAVAILABLE, "gone")
        return await self.inner.audit_numbers(after, limit)


async def test_an_outage_ends_the_stream(service: Service, admin: Caller) -> None:
    """A watcher is told that it hears nothing any more."""
    store = _BrokenTrail(service.store)
    async with server_over(service, store) as channel:
        stream = await watch(through(admin, channel))
        store.broken = True
        assert failure_of(await end_of(stream)).reason == "STORE_UNAVAILABLE"


class _EndlessTrail(StoreOver):
    """A trail that never ends: it shows its one event again and again under new numbers."""

    looks = 0

    async def audit_numbers(self, after: int, limit: int) -> Any:
        """There is always more."""
        return [after + 1_000_000] if after < 10_000_000_000 else []

    async def audit_events(self, wanted: AuditQuery) -> AuditPage:
        """Full pages."""
        self.looks += 1
        (record,) = (await self.inner.audit_events(AuditQuery(AuditFilter(), limit=1))).records
        if wanted.newest_first:
            return AuditPage([record], record.sequence, complete=False)
        records = [replace(record, sequence=wanted.after + place) for place in range(1, wanted.limit + 1)]
        return AuditPage(records, records[-1].sequence, complete=False)


async def test_a_slow_watcher_holds_up_nobody(service: Service, admin: Caller) -> None:
    """Of a watcher that does not read, no more is read from the trail than fits on the way to it."""
    store = _EndlessTrail(service.store)
    async with server_over(service, store) as channel:
        slow = await watch(through(admin, channel), LONG_AGO)
        before = -1
        async with asyncio.timeout(LIMIT):
            while store.looks != before:
                before = store.looks
                await asyncio.sleep(0.3)
        assert (await issue(through(admin, channel))).access_token
        slow.cancel()
