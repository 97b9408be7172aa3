"""WatchRevocations over real gRPC: what comes, who may watch, and how it ends."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import key_service_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure_of, running_service
from tests.rpc.faults import StoreOver, second_node, server_over, through
from tests.rpc.steps import issue, revoke, until
from tests.rpc.stream_verifier import LIMIT, StreamVerifier, read, watch
from tests.services.watching import end
from tokensvc.domain.client import Permission
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.revocation import LogEntry
from tokensvc.rpc import token_service
from tokensvc.services.clients import OPERATOR
from tokensvc.store.memory import MemoryStore


async def end_of(stream: Any) -> grpc.aio.AioRpcError:
    """The error that a stream ends with, whatever comes before."""
    try:
        while await asyncio.wait_for(stream.read(), LIMIT) is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the stream ended without an error")


async def test_a_watch_begins_with_a_snapshot_and_goes_on(bff: Caller) -> None:
    """What was revoked before is there, then what is revoked next, each as it was said."""
    before = await revoke(bff, subject="ada", reason="left")
    verifier = StreamVerifier(stream := watch(bff))
    await verifier.follow(before)
    after = await revoke(bff, device={"subject": "bob", "device_id": "phone"})
    await verifier.follow(after)
    first, second = verifier.revocations
    assert (first.revision, first.subject, first.reason) == (before, "ada", "left")
    assert (second.revision, second.device.subject, second.device.device_id) == (after, "bob", "phone")
    stream.cancel()


async def test_a_step_says_what_is_known(service: Service, bff: Caller) -> None:
    """The revision that it completes, and the moment of the look; of the first one, that the keys are to be fetched."""
    revision = await revoke(bff, subject="ada")
    step = await read(stream := watch(bff))
    assert (step.revision, step.looked_at.ToMilliseconds(), step.keys_changed) == (revision, service.clock(), True)
    (revocation,) = step.revocations
    assert revocation.revoked_at.ToMilliseconds() == service.clock()
    assert revocation.expires_at.ToMilliseconds() > service.clock()
    assert not revocation.HasField("issued_before")
    stream.cancel()


async def test_a_watch_is_taken_up_by_its_revision(bff: Caller) -> None:
    """What was revoked in between comes, and nothing else."""
    await revoke(bff, subject="before")
    seen = (await read(stream := watch(bff))).revision
    stream.cancel()
    await revoke(bff, subject="between")
    step = await read(again := watch(bff, seen))
    assert [revocation.subject for revocation in step.revocations] == ["between"]
    again.cancel()


async def test_a_heartbeat_comes_when_nothing_happens(service: Service, bff: Caller) -> None:
    """It brings no revocation, and the moment of a later look."""
    first = await read(stream := watch(bff))
    service.clock.advance(seconds=1)
    second = await read(stream)
    assert (len(second.revocations), second.revision) == (0, first.revision)
    assert second.looked_at.ToMilliseconds() == service.clock()
    stream.cancel()


async def test_a_change_of_the_keys_is_told(service: Service, bff: Caller) -> None:
    """Whoever fetches them after that has those that are in use."""
    admin = await service.caller("admin", permissions=frozenset(Permission))
    verifier = StreamVerifier(stream := watch(bff))
    await verifier.follow(1)
    await admin.RotateKey(key_service_pb2.RotateKeyRequest(purpose=key_service_pb2.KEY_PURPOSE_SIGNING))
    known = verifier.keys_changed
    await verifier.follow((await service.store.view()).revision)
    assert (verifier.keys_changed, verifier.revocations) == (known + 1, [])
    stream.cancel()


async def test_a_watcher_sees_what_another_node_has_revoked(service: Service, bff: Caller) -> None:
    """On a server of its own, with the same database."""
    async with second_node(service) as channel:
        verifier = StreamVerifier(stream := watch(through(bff, channel)))
        await verifier.follow(1)
        await verifier.follow(await revoke(bff, subject="ada"))
        assert [revocation.subject for revocation in verifier.revocations] == ["ada"]
        stream.cancel()


async def test_revocations_of_many_come_in_the_order_of_the_log(bff: Caller) -> None:
    """To each of several watchers: every one, once, and none behind a revision that covers it."""
    verifiers = [StreamVerifier(watch(bff)) for _ in range(3)]
    revisions = await asyncio.gather(*(revoke(bff, subject=str(number)) for number in range(100)))
    for verifier in verifiers:
        await verifier.follow(max(revisions))
        assert [revocation.revision for revocation in verifier.revocations] == sorted(revisions)
        verifier._stream.cancel()


@pytest.mark.parametrize("revision", [-1, 1_000_000])
async def test_a_revision_that_the_log_has_not_reached_is_refused(bff: Caller, revision: int) -> None:
    """With the field named: who was here with another database begins anew."""
    refused = failure_of(await end_of(watch(bff, revision)))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("from_revision",))


async def test_nobody_watches_without_the_permission(service: Service) -> None:
    """Every other permission does not help."""
    other = await service.caller("other", permissions=frozenset(Permission) - {Permission.WATCH})
    assert failure_of(await end_of(watch(other))).reason == "CALLER_NOT_PERMITTED"


async def test_a_watcher_that_is_disabled_is_ended(service: Service, bff: Caller) -> None:
    """Soon after, as any call of that client would."""
    await read(stream := watch(bff))
    await service.clients.set_disabled("bff", disabled=True, caller=OPERATOR)
    assert failure_of(await end_of(stream)).reason == "CALLER_UNAUTHENTICATED"


async def test_a_watcher_that_loses_the_permission_is_ended(service: Service, bff: Caller) -> None:
    """So it is when the client may no longer watch."""
    await read(stream := watch(bff))
    permissions = frozenset({Permission.ISSUE})
    await service.clients.update("bff", {"permissions": permissions}, caller=OPERATOR)
    assert failure_of(await end_of(stream)).reason == "CALLER_NOT_PERMITTED"


async def test_a_watcher_whose_secret_is_replaced_is_ended(service: Service, bff: Caller) -> None:
    """So it is when the secret that it has shown is good no more."""
    await read(stream := watch(bff))
    await service.clients.rotate_secret("bff", 0, caller=OPERATOR)
    assert failure_of(await end_of(stream)).reason == "CALLER_UNAUTHENTICATED"


async def test_watchers_take_the_places_of_streams(tmp_path: Path) -> None:
    """Of which a server has so many, and one caller half."""
    async with running_service(tmp_path, memory=True, max_streams=2) as service:
        bff = await service.caller("bff")
        await read(stream := watch(bff))
        assert failure_of(await end_of(watch(bff))).reason == "OVERLOADED"
        stream.cancel()


async def test_watches_end_with_the_server(tmp_path: Path) -> None:
    """At once and without an error."""
    async with running_service(tmp_path, memory=True) as service:
        await read(stream := watch(await service.caller("bff")))
        await asyncio.wait_for(service.server.stop(grace=600), LIMIT)
        assert await stream.read() is grpc.aio.EOF


async def test_a_watcher_that_goes_away_leaves_nothing_behind(service: Service, bff: Caller) -> None:
    """Nobody looks at the log for it any more."""
    await read(stream := watch(bff))
    stream.cancel()
    guard = service.server._guard
    await until(lambda: not guard.under_way and not guard._streams._open)
    looks = service.store.counts["looks"]  # type: ignore[attr-defined]
    await asyncio.sleep(0.1)  # in which a watcher has six
    assert service.store.counts["looks"] - looks <= 2  # type: ignore[attr-defined]  # of the server's health


class _GoneStore(StoreOver):
    """The log can be looked at until it is gone."""

    gone = False

    async def view(self, **freshness: int) -> Any:
        """Fail when it is gone."""
        if self.gone:
            raise RefusedError(Reason.STORE_UNAVAILABLE, "gone")
        return await self.inner.view(**freshness)


async def test_an_outage_ends_the_stream(service: Service, bff: Caller) -> None:
    """A watcher is told that it hears nothing any more: no heartbeat comes without a look."""
    store = _GoneStore(service.store)
    async with server_over(service, store) as channel:
        await read(stream := watch(through(bff, channel)))
        store.gone = True
        assert failure_of(await end_of(stream)).reason == "STORE_UNAVAILABLE"


class _LongLog(MemoryStore):
    """A log of which a snapshot never ends, when it `is_long`: it shows one entry again and again."""

    is_long = False

    async def view(self, **freshness: int) -> Any:
        """The head is far away."""
        view = await super().view(**freshness)
        view.revision = max(view.revision, 1_000_000_000) if self.is_long else view.revision
        return view

    async def log_entries(self, after: int, until: int, now: int, limit: int) -> Sequence[LogEntry]:
        """Full pages, under new revisions."""
        *_, entry = await super().log_entries(0, until, now, 100)
        return [replace(entry, revision=after + place) for place in range(1, limit + 1)]


@pytest.fixture
async def long_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Service, Caller]]:
    """A service with a long log and little patience, and a caller."""
    monkeypatch.setattr("tests.harness.MemoryStore", _LongLog)
    monkeypatch.setattr(token_service, "_PATIENCE", 0.5)
    async with running_service(tmp_path / "long", memory=True) as service:
        caller = await service.caller("bff")
        await end(service.store, "a")
        assert isinstance(service.store, _LongLog)
        service.store.is_long = True
        yield service, caller


async def _cut_off(service: Service, caller: Caller) -> Any:
    """A stream that was ended, because nobody has read from it."""
    stream = watch(caller)
    await stream.initial_metadata()
    streams = service.server._guard._streams
    await until(lambda: streams.ended == 1)
    assert streams.open == 1  # until its caller has taken the end
    return stream


async def test_a_watcher_that_does_not_read_is_cut_off(long_service: tuple[Service, Caller]) -> None:
    """It is told why, and when to come back; until it has taken that it keeps its place among the streams."""
    service, caller = long_service
    refused = failure_of(await end_of(await _cut_off(service, caller)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert refused.retry_after > 0
    await until(lambda: not service.server._guard._streams.open)


async def test_who_does_not_read_holds_up_no_stop(long_service: tuple[Service, Caller]) -> None:
    """A server does not wait for it."""
    service, caller = long_service
    stream = await _cut_off(service, caller)
    await asyncio.wait_for(service.server.stop(grace=600), LIMIT)
    stream.cancel()


async def test_other_calls_are_not_held_up_by_a_long_snapshot(long_service: tuple[Service, Caller]) -> None:
    """It is made part by part, and they go on in between."""
    _, caller = long_service
    stream = watch(caller)
    taking = asyncio.create_task(_take(stream))
    for _ in range(20):
        assert (await asyncio.wait_for(issue(caller), LIMIT)).access_token
    assert not taking.done()
    stream.cancel()
    await asyncio.wait([taking])


async def _take(stream: Any) -> None:
    while await stream.read() is not grpc.aio.EOF:
        pass


async def test_a_snapshot_of_many_comes_in_steps_that_every_caller_takes(service: Service, bff: Caller) -> None:
    """Of ten thousand entries none is missing, and no step is near gRPC's limit of four megabytes."""
    names = [f"session-{number}" for number in range(10_000)]
    revision = await end(service.store, *names)
    steps: list[pb.WatchRevocationsResponse] = []
    stream = watch(bff)
    while not steps or steps[-1].revision < revision:
        steps.append(await read(stream))
    assert [revocation.session_id for step in steps for revocation in step.revocations] == names
    assert max(step.ByteSize() for step in steps) < 100_000
    assert not any(step.revision or step.HasField("looked_at") for step in steps[:-1])
    stream.cancel()
