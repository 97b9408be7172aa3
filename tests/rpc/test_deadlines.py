"""A request whose time runs out while the database is silent."""

import grpc
from tokensvc_pb.v1 import token_service_pb2 as pb
from tokensvc_pb.v1 import token_service_pb2_grpc

from tests.harness import Caller, Service, failure
from tests.rpc.faults import WaitingStore, server_over
from tests.rpc.tables import rows_of


async def test_the_caller_is_told_what_went_wrong_before_its_deadline(service: Service, bff: Caller) -> None:
    """A database that does not answer ends the RPC as UNAVAILABLE with a reason, not as a silent deadline."""
    async with server_over(service, WaitingStore(service.store, "before")) as channel:
        stub = token_service_pb2_grpc.TokenServiceStub(channel)
        failed = await failure(stub.Issue(pb.IssueRequest(subject="ada"), metadata=bff.metadata, timeout=0.5))
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert rows_of(service, "sessions") == []
