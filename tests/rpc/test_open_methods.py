"""What everybody may call without credentials: the public keys, health and reflection."""

import asyncio
import json
from typing import NoReturn

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from tokensvc_pb.v1 import key_service_pb2, key_service_pb2_grpc

from tests.harness import Service
from tests.rpc.faults import server_over
from tokensvc.domain.errors import Reason, RefusedError

SERVICES = ["AuditService", "ClientService", "KeyService", "SessionService", "TokenService"]
NAMES = ["", *(f"tokensvc.v1.{name}" for name in SERVICES)]
REFLECTIONS = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]


async def _health(channel: grpc.aio.Channel, name: str) -> int:
    return (await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))).status


async def _reflect(
    channel: grpc.aio.Channel, service: str, request: reflection_pb2.ServerReflectionRequest
) -> reflection_pb2.ServerReflectionResponse:
    method = channel.stream_stream(
        f"/{service}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    (answer,) = [answer async for answer in method(iter([request]))]
    return answer


async def test_the_public_keys_are_for_everybody(service: Service) -> None:
    """GetJwks answers without credentials, with public parts alone and a time to cache them."""
    answer = await key_service_pb2_grpc.KeyServiceStub(service.channel).GetJwks(key_service_pb2.GetJwksRequest())
    (key,) = json.loads(answer.jwks)["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert answer.max_age.seconds == 300


class Unreachable:
    """A store that does not answer."""

    async def view(self, *, max_staleness: int) -> NoReturn:
        """Refuses."""
        raise RefusedError(Reason.STORE_UNAVAILABLE, f"not even what is {max_staleness} ms old")


async def test_the_public_keys_do_not_need_the_database(service: Service) -> None:
    """GetJwks is answered from memory: it works where the store does not."""
    async with server_over(service, Unreachable()) as channel:
        answer = await key_service_pb2_grpc.KeyServiceStub(channel).GetJwks(key_service_pb2.GetJwksRequest())
    assert json.loads(answer.jwks)["keys"]


@pytest.mark.parametrize("name", NAMES)
async def test_every_service_is_healthy_while_it_runs(service: Service, name: str) -> None:
    """The server as a whole and each of its services report SERVING."""
    assert await _health(service.channel, name) == health_pb2.HealthCheckResponse.SERVING


async def test_the_health_of_all_services_is_listed(service: Service) -> None:
    """One call answers what each of them would say."""
    listed = await health_pb2_grpc.HealthStub(service.channel).List(health_pb2.HealthListRequest())  # type: ignore[attr-defined]
    assert {name: one.status for name, one in listed.statuses.items()} == dict.fromkeys(
        NAMES, health_pb2.HealthCheckResponse.SERVING
    )


async def test_the_health_of_an_unknown_service_is_not_found(service: Service) -> None:
    """A name that is not a service of this server is refused as the health protocol says."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _health(service.channel, "tokensvc.v1.Nothing")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_says_not_serving_when_the_server_stops(service: Service) -> None:
    """A watcher hears NOT_SERVING when the shutdown begins, while its stream is still open."""
    watching = health_pb2_grpc.HealthStub(service.channel).Watch(health_pb2.HealthCheckRequest(service=""))
    assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
    stopping = asyncio.ensure_future(service.server.stop(grace=5))
    assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watching.cancel()
    await stopping


@pytest.mark.parametrize("reflection", REFLECTIONS)
async def test_reflection_lists_every_service(service: Service, reflection: str) -> None:
    """Under its old and its new name reflection lists the same services: ours, health, and itself twice."""
    answer = await _reflect(service.channel, reflection, reflection_pb2.ServerReflectionRequest(list_services=""))
    names = [listed.name for listed in answer.list_services_response.service]
    assert sorted(names) == sorted([*NAMES[1:], "grpc.health.v1.Health", *REFLECTIONS])


@pytest.mark.parametrize("reflection", REFLECTIONS)
@pytest.mark.parametrize("name", SERVICES)
async def test_reflection_describes_every_service(service: Service, reflection: str, name: str) -> None:
    """A tool without our protos learns every service from the server."""
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"tokensvc.v1.{name}")
    answer = await _reflect(service.channel, reflection, request)
    assert name.encode() in b"".join(answer.file_descriptor_response.file_descriptor_proto)
