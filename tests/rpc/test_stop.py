"""What a server waits for when it stops."""

import asyncio
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2

from tests.fakes import FakeRandomness
from tests.harness import Caller, Service, running_service
from tests.rpc.faults import WaitingStore, through
from tests.rpc.steps import issue
from tokensvc.app import build_server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


async def test_an_rpc_under_way_is_waited_for(service: Service, bff: Caller) -> None:
    """An Issue that takes its time in the database is answered, and only then has the server stopped."""
    store = WaitingStore(service.store, "within")
    server = build_server(store, service.keys, service.settings, service.clock, FakeRandomness("second server"))
    port = server.listen("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        issued = asyncio.ensure_future(issue(through(bff, channel)))
        await asyncio.wait_for(store.reached.wait(), timeout=30)
        stopping = asyncio.create_task(server.stop(grace=600))
        stopped, _ = await asyncio.wait([stopping], timeout=1)
        assert not stopped
        store.go_on()
        assert (await issued).refresh_token
        await asyncio.wait_for(stopping, timeout=30)


@pytest.mark.parametrize("said", [b"", PREFACE], ids=["silent", "opened"])
async def test_an_idle_connection_does_not_hold_up_a_stop(tmp_path: Path, said: bytes) -> None:
    """Neither a client that says nothing nor one that has only opened HTTP/2 uses up the grace."""
    async with running_service(tmp_path, memory=True) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(said)
        assert await reader.read(1)  # the server's settings: it has accepted the connection
        await asyncio.wait_for(service.server.stop(grace=600), timeout=30)
        writer.close()


async def test_an_open_reflection_stream_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    """A tool that has asked what there is and stays connected uses up no grace."""
    async with running_service(tmp_path, memory=True) as service:
        stream = service.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )()
        await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        assert (await stream.read()) is not grpc.aio.EOF
        await asyncio.wait_for(service.server.stop(grace=600), timeout=30)
