"""Streams, over both clients."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from flavours import Flavour
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from scripted import Scripted
from tokensvc_client import AsyncTokenClient, DeviceTarget, Retries, Secret, TokenClient, rpcs
from tokensvc_client.blocking import drive
from tokensvc_client.caller import Caller
from tokensvc_pb.v1 import token_service_pb2 as pb

LOOKED_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def endless(script: Scripted) -> Iterator[Scripted]:
    """A server whose stream has one step, and then says nothing until the test is over."""
    is_over = threading.Event()

    def steps() -> Iterator[Message]:
        yield pb.WatchRevocationsResponse(revision=1)
        is_over.wait(10)

    script.steps = steps()
    yield script
    is_over.set()


def test_revocations_come_step_by_step(flavour: Flavour, script: Scripted) -> None:
    """A part of the snapshot, its end, and a heartbeat; then the stream is over."""
    of_device = pb.Revocation.DeviceTarget(subject="ada", device_id="phone-1")
    looked_at = Timestamp(seconds=int(LOOKED_AT.timestamp()))
    script.steps = iter(
        [
            pb.WatchRevocationsResponse(revocations=[pb.Revocation(revision=3, session_id="s-1", reason="logout")]),
            pb.WatchRevocationsResponse(revocations=[pb.Revocation(revision=4, device=of_device)], revision=4),
            pb.WatchRevocationsResponse(revision=4, looked_at=looked_at, keys_changed=True),
        ]
    )
    first, second, third = flavour.client(script.address).watch_revocations()
    assert [(entry.session_id, entry.subject, entry.reason) for entry in first.revocations] == [("s-1", None, "logout")]
    assert (first.revision, first.looked_at) == (0, None)
    assert [entry.device for entry in second.revocations] == [DeviceTarget("ada", "phone-1")]
    assert (third.revocations, third.revision, third.looked_at, third.keys_changed) == ((), 4, LOOKED_AT, True)


def test_a_thread_that_waits_is_released_by_another(endless: Scripted) -> None:
    """Who cancels a stream ends the wait of who reads it, without an error."""
    with TokenClient(endless.address) as client, ThreadPoolExecutor(1) as pool:
        stream = client.watch_revocations()
        assert next(stream).revision == 1
        rest = pool.submit(list, stream)
        stream.cancel()
        assert rest.result(10) == []


class _Refused(grpc.RpcError):
    """A call that was not accepted."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAUTHENTICATED

    def details(self) -> str:
        return ""

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()


class _Readings:
    """A transport whose first stream is refused, and whose others tell nothing until they are cancelled."""

    def __init__(self) -> None:
        self.begun: list[_Reading] = []

    def stream(self, *_: object) -> "_Reading":
        self.begun.append(_Reading(is_refused=not self.begun))
        return self.begun[-1]


class _Reading:
    def __init__(self, *, is_refused: bool) -> None:
        self.is_refused = is_refused
        self.is_cancelled = False

    async def read(self) -> None:
        if self.is_refused:
            raise _Refused

    def cancel(self) -> None:
        self.is_cancelled = True


def test_what_is_cancelled_while_it_is_begun_again_is_cancelled() -> None:
    """Another thread may cancel a stream just when the assertion is replaced: the second stream ends, too."""
    transport: Any = _Readings()

    class Hasty(Secret):
        """Credentials in the middle of whose renewal the stream is cancelled."""

        def renewed(self, refused: str) -> bool:
            reading.cancel()
            return True

    caller = Caller(transport, Hasty("me", "secret"), None, Retries())
    reading = caller.stream(rpcs.WATCH_REVOCATIONS, pb.WatchRevocationsRequest(), None)
    assert drive(reading.read()) is None
    assert [begun.is_cancelled for begun in transport.begun] == [True, True]


def test_a_task_that_waits_is_released_by_another(endless: Scripted) -> None:
    """The same for asyncio: the task that reads is not cancelled."""
    assert asyncio.run(_released(endless.address)) == [1]


def test_a_cancelled_task_is_cancelled(endless: Scripted) -> None:
    """Who cancels the task that reads gets what asyncio promises."""
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(_cancelled(endless.address))


async def _released(address: str) -> list[int]:
    async with AsyncTokenClient(address) as client:
        stream = client.watch_revocations()
        seen: list[int] = []
        async for step in stream:
            seen.append(step.revision)
            asyncio.get_running_loop().call_soon(stream.cancel)
        return seen


async def _cancelled(address: str) -> None:
    async with AsyncTokenClient(address) as client, client.watch_revocations() as stream:
        await anext(stream)
        reads = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        reads.cancel()
        await reads
