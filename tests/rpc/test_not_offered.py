"""What the contract names and this server does not offer is refused by that name, never ignored."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from tests.harness import Caller, Service, failure_of, running_service
from tests.rpc.methods import OFFERED
from tests.rpc.tables import tables_of
from tokensvc.rpc.token_service import TokenService

TOKEN_METHODS = [method for method in OFFERED if method.containing_service.name == "TokenService"]


@pytest.fixture
async def lesser_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """A server of which TokenService has no method."""
    monkeypatch.setattr(TokenService, "methods", lambda _self: {})
    async with running_service(tmp_path / "lesser") as running:
        yield running


async def _refusal(caller: Caller, method: MethodDescriptor) -> grpc.aio.AioRpcError:
    path = f"/{method.containing_service.full_name}/{method.name}"
    call: Any
    if method.server_streaming:
        call = caller.channel.unary_stream(path)(b"", metadata=caller.metadata).read()
    else:
        call = caller.channel.unary_unary(path)(b"", metadata=caller.metadata)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value


@pytest.mark.parametrize("method", TOKEN_METHODS, ids=lambda method: method.name)
async def test_a_method_that_is_not_offered_is_unimplemented(lesser_service: Service, method: MethodDescriptor) -> None:
    """It answers UNIMPLEMENTED with its reason, streams too, and nothing is written."""
    bff = await lesser_service.caller("bff")
    before = tables_of(lesser_service)
    refused = failure_of(await _refusal(bff, method))
    assert (refused.code.name, refused.reason) == ("UNIMPLEMENTED", "NOT_IMPLEMENTED")
    assert tables_of(lesser_service) == before


@pytest.mark.parametrize("method", OFFERED, ids=lambda method: method.full_name)
async def test_every_method_of_the_contract_is_offered(service: Service, bff: Caller, method: MethodDescriptor) -> None:
    """Whatever it says to an empty request."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    channel = service.channel
    call = (channel.unary_stream if method.server_streaming else channel.unary_unary)(path)(b"", metadata=bff.metadata)
    if method.server_streaming:
        await call.initial_metadata()
        call.cancel()
        return
    assert await call.code() is not grpc.StatusCode.UNIMPLEMENTED
