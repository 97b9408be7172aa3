"""What the contract names and this server does not offer yet is refused by that name, never ignored."""

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from tests.harness import Caller, Service, failure, failure_of
from tests.rpc.methods import LATER
from tests.rpc.steps import introspect, issue, refresh
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


@pytest.mark.parametrize("confirmation", [{"jkt": "thumbprint"}, {"x5t_s256": "thumbprint"}, {}], ids=str)
async def test_issue_does_not_ignore_a_confirmation(
    service: Service, bff: Caller, confirmation: dict[str, str]
) -> None:
    """A token that was to be bound to a key is not issued unbound."""
    before = tables_of(service)
    refused = await failure(issue(bff, confirmation=confirmation))
    assert (refused.code.name, refused.reason) == ("UNIMPLEMENTED", "NOT_IMPLEMENTED")
    assert refused.fields == ("confirmation",)
    assert tables_of(service) == before


@pytest.mark.parametrize("dpop", [{"proof": "a.b.c", "method": "POST", "uri": "https://api.test/"}, {}], ids=str)
async def test_refresh_and_introspect_do_not_ignore_a_proof(
    service: Service, bff: Caller, dpop: dict[str, str]
) -> None:
    """A proof that nobody checks does not seem checked, and the refresh token is not consumed."""
    issued = await issue(bff)
    before = tables_of(service)
    for call in (refresh(bff, issued.refresh_token, dpop=dpop), introspect(bff, issued.access_token, dpop=dpop)):
        refused = await failure(call)
        assert (refused.reason, refused.fields) == ("NOT_IMPLEMENTED", ("dpop",))
    assert tables_of(service) == before
