"""What the contract names and this server does not offer yet is refused by that name, never ignored."""

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from tests.harness import Caller, Service, failure_of
from tests.rpc.methods import LATER
from tests.rpc.tables import tables_of


async def _refusal(channel: grpc.aio.Channel, method: MethodDescriptor, metadata: Any) -> grpc.aio.AioRpcError:
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.server_streaming:
        call = channel.unary_stream(path)(b"", metadata=metadata).read()
    else:
        call = channel.unary_unary(path)(b"", metadata=metadata)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value


@pytest.mark.parametrize("method", LATER, ids=lambda method: method.name)
async def test_a_method_of_a_later_release_is_unimplemented(
    service: Service, bff: Caller, method: MethodDescriptor
) -> None:
    """A method that is not offered yet answers UNIMPLEMENTED with its reason, and nothing is written."""
    before = tables_of(service)
    refused = failure_of(await _refusal(service.channel, method, bff.metadata))
    assert (refused.code.name, refused.reason) == ("UNIMPLEMENTED", "NOT_IMPLEMENTED")
    assert tables_of(service) == before
