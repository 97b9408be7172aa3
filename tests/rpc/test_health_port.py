"""The second port: health for probes that have no certificate, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.certificates import Authority
from tests.fakes import FakeRandomness
from tests.harness import Service
from tests.rpc.methods import OFFERED
from tokensvc.app import build_server, credentials_of
from tokensvc.config import load_settings
from tokensvc.rpc.server import RpcServer

REFLECTIONS = [f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in ("v1", "v1alpha")]
PATHS = [f"/{method.containing_service.full_name}/{method.name}" for method in OFFERED] + REFLECTIONS


@dataclass
class Probed:
    """A server that wants certificates, and a plaintext channel to its second port."""

    server: RpcServer
    channel: grpc.aio.Channel
    main_port: int


@pytest.fixture
async def probed(service: Service, tmp_path: Path) -> AsyncIterator[Probed]:
    """A server with both ports."""
    authority = Authority()
    cert_file, key_file = authority.server().write(tmp_path, "server")
    settings = load_settings({"tls_cert_file": cert_file, "tls_key_file": key_file, "tls_client_ca_file": cert_file})
    server = build_server(service.store, service.keys, settings, service.clock, FakeRandomness("probed"))
    main_port = server.listen("127.0.0.1:0", credentials_of(settings, service.clock))
    port = server.listen_for_health("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Probed(server, channel, main_port)
    await server.stop(grace=5)


async def test_a_probe_needs_no_certificate(probed: Probed) -> None:
    """Check, List and Watch are answered in plaintext, while the main port does not answer there."""
    health = health_pb2_grpc.HealthStub(probed.channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    assert (await health.Check(health_pb2.HealthCheckRequest())).status == serving
    assert (await health.Check(health_pb2.HealthCheckRequest(service="tokensvc.v1.TokenService"))).status == serving
    assert len((await health.List(health_pb2.HealthListRequest())).statuses) == 6
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == serving
    watch.cancel()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{probed.main_port}") as main:
        with pytest.raises(grpc.aio.AioRpcError):
            await health_pb2_grpc.HealthStub(main).Check(health_pb2.HealthCheckRequest(), timeout=2)


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_else_is_offered_there(probed: Probed, path: str) -> None:
    """Every other method is UNIMPLEMENTED, with and without credentials; reflection too."""
    for metadata in ((), (("authorization", "Basic YTpi"),)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await probed.channel.stream_unary(path)(iter([b""]), metadata=metadata, timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_probe_hears_that_the_server_stops(probed: Probed) -> None:
    """Who watches there is told NOT_SERVING when the shutdown begins, and holds it up no longer than others."""
    watch = health_pb2_grpc.HealthStub(probed.channel).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    stopping = asyncio.ensure_future(probed.server.stop(grace=600))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    await asyncio.wait_for(stopping, timeout=30)
