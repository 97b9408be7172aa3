"""A defect or a database that fails: what the caller hears, and what the log says."""

import re
from typing import Any

import grpc
import pytest
import structlog
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure, failure_of
from tests.rpc.faults import FailingStore, server_over, through
from tests.rpc.steps import issue
from tests.rpc.tables import tables_of
from tokensvc.domain.errors import Reason, RefusedError

TEXT = "a text of the driver with postgresql://user:password@host in it"
MESSAGE = re.compile(r"internal error, request id ([0-9a-f]{16})")
# What each method needs of the store: whichever of it fails, the call must.
NEEDS = [
    ("Issue", "view"),
    ("Issue", "commit"),
    ("Refresh", "view"),
    ("Refresh", "commit"),
    ("Revoke", "view"),
    ("Revoke", "commit"),
    ("Introspect", "view"),
    ("Introspect", "sessions_by_id"),
    ("BatchIntrospect", "view"),
    ("BatchIntrospect", "sessions_by_id"),
    ("ListSessions", "sessions"),
    ("GetSession", "sessions_by_id"),
]
EACH_NEED = pytest.mark.parametrize(("method", "needed"), NEEDS)


async def _call(caller: Caller, method: str, issued: pb.IssueResponse) -> Any:
    request = {
        "Issue": pb.IssueRequest(subject="ada"),
        "Refresh": pb.RefreshRequest(refresh_token=issued.refresh_token),
        "Revoke": pb.RevokeRequest(session_id=issued.session_id),
        "Introspect": pb.IntrospectRequest(token=issued.refresh_token),
        "BatchIntrospect": pb.BatchIntrospectRequest(tokens=[issued.access_token, issued.refresh_token]),
        "ListSessions": sessions_pb.ListSessionsRequest(subject="ada"),
        "GetSession": sessions_pb.GetSessionRequest(session_id=issued.session_id),
    }[method]
    return await getattr(caller, method)(request)


@EACH_NEED
async def test_a_defect_is_told_by_a_request_id_alone(service: Service, bff: Caller, method: str, needed: str) -> None:
    """The caller of a method that breaks hears INTERNAL and an id, the log has the id with the exception."""
    issued = await issue(bff)
    error = RuntimeError(TEXT)
    async with server_over(service, FailingStore(service.store, error, needed)) as channel:
        with structlog.testing.capture_logs() as entries, pytest.raises(grpc.aio.AioRpcError) as broken:
            await _call(through(bff, channel), method, issued)
    refused = failure_of(broken.value)
    assert (refused.code.name, refused.reason) == ("INTERNAL", "INTERNAL")
    found = MESSAGE.fullmatch(refused.message)
    assert found is not None
    assert [(entry["request_id"], entry["exc_info"]) for entry in entries] == [(found[1], error)]
    assert "driver" not in str(broken.value.trailing_metadata())


async def test_two_defects_have_two_ids(service: Service, bff: Caller) -> None:
    """Each failed call can be told from the others in the log."""
    issued = await issue(bff)
    async with server_over(service, FailingStore(service.store, RuntimeError(TEXT), "commit")) as channel:
        with structlog.testing.capture_logs() as entries:
            messages = {(await failure(_call(through(bff, channel), "Issue", issued))).message for _ in range(3)}
    assert len(messages) == len({entry["request_id"] for entry in entries}) == 3


@EACH_NEED
async def test_a_database_that_fails_is_never_answered_with_success(
    service: Service, bff: Caller, method: str, needed: str
) -> None:
    """Whatever the store cannot do, the call fails with UNAVAILABLE: nothing is active, nothing counts as revoked."""
    issued = await issue(bff)
    before = tables_of(service)
    error = RefusedError(Reason.STORE_UNAVAILABLE, "the database is not available")
    async with server_over(service, FailingStore(service.store, error, needed)) as channel:
        refused = await failure(_call(through(bff, channel), method, issued))
    assert (refused.code.name, refused.reason) == ("UNAVAILABLE", "STORE_UNAVAILABLE")
    assert tables_of(service) == before


async def test_a_defect_harms_no_other_call(service: Service, bff: Caller) -> None:
    """After calls that broke, the same server answers what does not need the broken part."""
    issued = await issue(bff)
    async with server_over(service, FailingStore(service.store, RuntimeError(TEXT), "commit")) as channel:
        there = through(bff, channel)
        with structlog.testing.capture_logs():
            await failure(_call(there, "Issue", issued))
        assert (await _call(there, "Introspect", issued)).active
