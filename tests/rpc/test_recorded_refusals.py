"""Refused calls in the audit trail, over real gRPC."""

import base64
from typing import Any

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.faults import FailingStore, server_over, through
from tests.rpc.steps import issue, refresh
from tests.rpc.tables import rows_of
from tokensvc.domain.client import Permission
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import SessionLimitAction
from tokensvc.services.refusal_bursts import SUBJECT_BURST

REFUSED = "refused"


async def recorded(service: Service, name: str = REFUSED) -> list[dict[str, Any]]:
    """The events of that type, after what is in memory has been written."""
    await service.server._refusals.flush()
    return [row for row in rows_of(service, "audit_events") if row["type"] == name]


def named(event: dict[str, Any]) -> tuple[Any, ...]:
    """Who and why."""
    return tuple(event[name] for name in ("reason", "caller", "client_id", "subject", "ip"))


async def test_a_refused_refresh_names_subject_and_client(service: Service, bff: Caller) -> None:
    """A genuine token that is refused leads to its session, and stands there as a fingerprint."""
    thief = await service.caller("thief", acts_for=frozenset())
    issued = await issue(bff)
    await failure(refresh(thief, issued.refresh_token, context={"ip": "192.0.2.1"}))
    (event,) = await recorded(service)
    assert named(event) == ("CLIENT_MISMATCH", "thief", "bff", "ada", "192.0.2.1")
    assert event["session_id"] == issued.session_id
    assert '"method":"Refresh"' in event["details"]
    assert issued.refresh_token not in repr(rows_of(service, "audit_events"))


async def test_a_missing_permission_is_recorded(service: Service) -> None:
    """With the subject that the caller has named."""
    caller = await service.caller("caller", permissions=frozenset({Permission.REFRESH}))
    await failure(issue(caller, "ada", context={"ip": "not an address"}))
    assert [named(event) for event in await recorded(service)] == [("CALLER_NOT_PERMITTED", "caller", "", "ada", "")]


@pytest.mark.parametrize(
    ("claimed", "known"), [("bff", "bff"), ("nobody", ""), ("x" * 500, ""), ("bff%00", ""), ("b%66f", "bff")]
)
async def test_a_stranger_is_recorded_with_the_client_it_claims_to_be(
    service: Service, bff: Caller, claimed: str, known: str
) -> None:
    """A client that exists is named, anything else is not; what the request says counts for nothing."""
    header = base64.b64encode(f"{claimed}:wrong".encode()).decode()
    call = service.channel.unary_unary("/tokensvc.v1.TokenService/Issue")
    request = pb.IssueRequest(subject="ada", client_id="bff", context={"ip": "192.0.2.1"})
    await failure(call(request.SerializeToString(), metadata=(("authorization", f"Basic {header}"),)))
    (event,) = await recorded(service)
    assert named(event) == ("CALLER_UNAUTHENTICATED", "", known, "", "")
    assert '"peer":"ipv4:127.0.0.1"' in event["details"]


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Basic /w==", "Bearer x.y.z"])
async def test_any_header_is_recorded_alike(service: Service, header: str) -> None:
    """Rubbish in the credentials neither fails nor gets into the trail."""
    call = service.channel.unary_unary("/tokensvc.v1.TokenService/Introspect")
    assert (await failure(call(b"", metadata=(("authorization", header),)))).reason == "CALLER_UNAUTHENTICATED"
    assert [named(event) for event in await recorded(service)] == [("CALLER_UNAUTHENTICATED", "", "", "", "")]


async def test_forged_tokens_are_counted(service: Service, bff: Caller) -> None:
    """Many of them are one event."""
    for number in range(30):
        await failure(refresh(bff, f"tsr1_forged{number}"))
    (event,) = await recorded(service)
    assert named(event) == ("REFRESH_TOKEN_INVALID", "bff", "", "", "")
    assert '"count":30' in event["details"]


async def test_a_detected_reuse_is_not_recorded_twice(service: Service, bff: Caller) -> None:
    """It has written its own event when it was detected; who tries again is recorded as refused."""
    first = await issue(bff)
    second = await refresh(bff, first.refresh_token)
    await refresh(bff, second.refresh_token)
    await failure(refresh(bff, first.refresh_token))
    assert await recorded(service) == []
    assert len(await recorded(service, "session.reuse_detected")) == 1
    await failure(refresh(bff, first.refresh_token))
    assert [named(event)[0] for event in await recorded(service)] == ["REFRESH_TOKEN_REUSED"]
    assert len(await recorded(service, "session.reuse_detected")) == 1


async def test_limits_and_what_a_token_may_not_be_for_are_recorded(service: Service) -> None:
    """Who wants a session too many, or a wider scope or audience, is recorded with the subject that is known."""
    policy = policy_of(max_sessions=1, session_limit_action=SessionLimitAction.REFUSE)
    app = await service.caller("app", policy=policy)
    token = (await issue(app)).refresh_token
    for call in (
        issue(app),
        issue(app, scopes=["root"]),
        refresh(app, token, scopes=["root"]),
        refresh(app, token, audiences=["root"]),
    ):
        await failure(call)
    assert sorted(named(event)[0::3] for event in await recorded(service)) == [
        ("INVALID_AUDIENCE", "ada"),
        ("INVALID_SCOPE", "ada"),
        ("INVALID_SCOPE", "ada"),
        ("SESSION_LIMIT_REACHED", "ada"),
    ]


async def test_bad_requests_and_missing_things_are_not_recorded(service: Service, bff: Caller) -> None:
    """They are nothing that a thief does more than an honest caller."""
    await failure(issue(bff, ""))
    await failure(issue(bff, client_id="nobody"))
    assert await recorded(service) == []


async def test_many_refusals_about_a_subject_are_suspicious(service: Service) -> None:
    """They raise an event of their own, once, which names those who were refused."""
    bff = await service.caller("relay", policy=policy_of())
    issued = await issue(bff)
    await bff.Revoke(pb.RevokeRequest(session_id=issued.session_id))
    for _ in range(SUBJECT_BURST + 5):
        await failure(refresh(bff, issued.refresh_token))
    (event,) = await recorded(service, "suspicion.refusal_burst")
    assert (event["subject"], event["client_id"]) == ("ada", "")
    assert '"callers":"relay"' in event["details"]


async def test_a_refused_caller_does_not_wait_for_the_database(service: Service, bff: Caller) -> None:
    """Where nothing can be written the refusal is answered all the same."""
    store = FailingStore(service.store, RefusedError(Reason.STORE_UNAVAILABLE, "gone"), "commit", "sessions_by_id")
    async with server_over(service, store) as channel:
        refused = await failure(refresh(through(bff, channel), "tsr1_forged"))
    assert refused.reason == "REFRESH_TOKEN_INVALID"


async def test_what_is_in_memory_is_written_at_the_end(service: Service, bff: Caller) -> None:
    """A server that stops loses no count."""
    async with server_over(service, service.store) as channel:
        await failure(refresh(through(bff, channel), "tsr1_forged"))
    assert [event["reason"] for event in rows_of(service, "audit_events") if event["type"] == REFUSED] == [
        "REFRESH_TOKEN_INVALID"
    ]
