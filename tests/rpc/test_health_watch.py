"""Streams of the health service."""

import asyncio
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.harness import running_service

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_watcher_is_told_of_the_shutdown_and_does_not_hold_it_up(tmp_path: Path) -> None:
    """A stream that is open at the shutdown says NOT_SERVING and ends long before the grace is over."""
    async with running_service(tmp_path, memory=True) as service:
        watch = health_pb2_grpc.HealthStub(service.channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        stopping = asyncio.create_task(service.server.stop(grace=600))
        assert (await watch.read()).status == NOT_SERVING
        await asyncio.wait_for(stopping, timeout=30)
        assert await watch.read() is grpc.aio.EOF
