"""Each method needs its permission, and no other."""

from typing import Any

import pytest
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.rpc.steps import is_active, issue, refresh
from tests.rpc.tables import tables_of
from tokensvc.domain.client import Permission
from tokensvc.domain.policy import ExchangePolicy

NEEDED = {
    "Issue": Permission.ISSUE,
    "Refresh": Permission.REFRESH,
    "Revoke": Permission.REVOKE,
    "Introspect": Permission.INTROSPECT,
    "BatchIntrospect": Permission.INTROSPECT,
    "ListSessions": Permission.INTROSPECT,
    "GetSession": Permission.INTROSPECT,
    "Exchange": Permission.EXCHANGE,
}
TO_LEDGER = ExchangePolicy(subject_clients=frozenset({"bff"}), audiences=frozenset({"ledger"}))
EACH_METHOD = pytest.mark.parametrize("method", NEEDED)


async def _request(method: str, bff: Caller) -> Any:
    """A request that a caller with the permission is answered."""
    issued = await issue(bff)
    return {
        "Issue": pb.IssueRequest(subject="ada"),
        "Refresh": pb.RefreshRequest(refresh_token=issued.refresh_token),
        "Revoke": pb.RevokeRequest(session_id=issued.session_id),
        "Introspect": pb.IntrospectRequest(token=issued.access_token),
        "BatchIntrospect": pb.BatchIntrospectRequest(tokens=[issued.access_token]),
        "ListSessions": sessions_pb.ListSessionsRequest(subject="ada"),
        "GetSession": sessions_pb.GetSessionRequest(session_id=issued.session_id),
        "Exchange": pb.ExchangeRequest(subject_token=issued.access_token, audiences=["ledger"]),
    }[method]


@EACH_METHOD
async def test_all_other_permissions_are_not_enough(service: Service, bff: Caller, method: str) -> None:
    """A caller that lacks just this permission is refused by name, and nothing is written."""
    caller = await service.caller("caller", permissions=frozenset(Permission) - {NEEDED[method]})
    request = await _request(method, bff)
    before = tables_of(service)
    refused = await failure(getattr(caller, method)(request))
    assert (refused.code.name, refused.reason) == ("PERMISSION_DENIED", "CALLER_NOT_PERMITTED")
    assert NEEDED[method].value in refused.message
    assert tables_of(service) == before


@EACH_METHOD
async def test_the_one_permission_is_enough(service: Service, bff: Caller, method: str) -> None:
    """A caller that has just this permission is answered."""
    caller = await service.caller("caller", permissions=frozenset({NEEDED[method]}), exchange_policy=TO_LEDGER)
    assert await getattr(caller, method)(await _request(method, bff)) is not None


async def test_an_administrator_acts_for_every_client(service: Service, bff: Caller) -> None:
    """With the permission admin a caller reaches every client without being told of each."""
    permissions = frozenset({Permission.ADMIN, Permission.REFRESH, Permission.REVOKE})
    admin = await service.caller("admin", permissions=permissions, acts_for=frozenset())
    issued = await issue(bff)
    assert (await refresh(admin, issued.refresh_token)).refresh_token
    await admin.Revoke(pb.RevokeRequest(subject="ada"))
    assert not await is_active(bff, issued.access_token)
