"""What is asked about tokens, sessions and clients, and what administrators change."""

from tokensvc_pb.v1 import audit_service_pb2 as audit_pb
from tokensvc_pb.v1 import client_service_pb2 as clients_pb
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.fake.telling import PHONE, Story


async def introspecting(story: Story) -> list[str]:
    """A token is active for who may see it, and if it is good for what it has to be."""
    issued = await story.issue(scopes=["read"], audiences=["billing"])
    token = issued.access_token
    await story.look(token, required_scopes=["read"])
    await story.look(token, required_scopes=["read", "write"])
    await story.look(token, audience="billing")
    await story.look(token, audience="api")
    await story.look(token, issued.refresh_token, caller=story.shop)
    await story.look("garbage", "tsr1_garbage", token[:-4] + "AAAA")
    await story.look(token, min_revision=issued.revision)
    await story.look(token, min_revision=issued.revision + 1)
    await story.look("")
    await story.look(token, caller=story.watcher)
    batch = pb.BatchIntrospectRequest(tokens=[token, "garbage", issued.refresh_token])
    await story.tell(story.bff, "BatchIntrospect", batch)
    await story.tell(story.bff, "BatchIntrospect", pb.BatchIntrospectRequest())
    await story.tell(story.bff, "BatchIntrospect", pb.BatchIntrospectRequest(tokens=[""]))
    return [
        *("OK", "active", "inactive", "active", "inactive", "inactive", "inactive", "inactive", "inactive", "inactive"),
        *("active", "STORE_UNAVAILABLE", "INVALID_REQUEST", "CALLER_NOT_PERMITTED"),
        *("OK", "INVALID_REQUEST", "INVALID_REQUEST"),
    ]


async def exchanging(story: Story) -> list[str]:
    """A traded token is narrower, and ends with the one that it was made from."""
    issued = await story.issue()

    async def trade(token: str, **fields: object) -> pb.ExchangeResponse | None:
        request = pb.ExchangeRequest(subject_token=token, **{"audiences": ["ledger"], **fields})
        traded: pb.ExchangeResponse | None = await story.tell(story.bff, "Exchange", request)
        return traded

    traded = await trade(issued.access_token, scopes=["read"])
    assert traded is not None
    await story.look(traded.access_token)
    again = await trade(traded.access_token)
    assert again is not None
    await trade("garbage")
    await trade(issued.access_token, audiences=[])
    await trade(issued.access_token, scopes=["admin"])
    await trade(issued.refresh_token)
    third = await trade(issued.access_token)
    assert third is not None
    await story.revoke(token=traded.access_token)
    await story.look(traded.access_token, again.access_token, third.access_token)
    await story.revoke(token=issued.access_token)
    await story.look(third.access_token)
    return [
        *("OK", "OK", "active", "OK", "SUBJECT_TOKEN_INVALID", "INVALID_REQUEST", "INVALID_SCOPE"),
        *("SUBJECT_TOKEN_INVALID", "OK", "OK", "inactive", "inactive", "active", "OK", "inactive"),
    ]


async def listing_sessions(story: Story) -> list[str]:
    """Sessions are listed newest first, in pages, for who may see them."""
    first = await story.issue(device=PHONE)
    story.clock.advance(seconds=1)
    second = await story.issue(context=token_pb2.ClientContext(location="Lyon, FR"))
    await story.revoke(session_id=first.session_id, reason="logout")
    for request in (
        sessions_pb.ListSessionsRequest(subject="ada", current_session_id=second.session_id),
        sessions_pb.ListSessionsRequest(subject="ada", include_ended=True),
        sessions_pb.ListSessionsRequest(subject="ada", device_id="phone", include_ended=True),
        sessions_pb.ListSessionsRequest(),
        sessions_pb.ListSessionsRequest(client_id="bff", page_size=-1),
    ):
        await story.tell(story.bff, "ListSessions", request)
    await story.tell(story.shop, "ListSessions", sessions_pb.ListSessionsRequest(subject="ada"))
    await story.tell(story.shop, "ListSessions", sessions_pb.ListSessionsRequest(client_id="bff"))
    await story.tell(story.shop, "GetSession", sessions_pb.GetSessionRequest(session_id=second.session_id))
    page = await story.tell(
        story.bff, "ListSessions", sessions_pb.ListSessionsRequest(subject="ada", page_size=1, include_ended=True)
    )
    assert page.next_page_token
    return [
        *("OK", "OK", "OK", "OK", "OK", "OK", "INVALID_REQUEST", "INVALID_REQUEST"),
        *("OK", "CALLER_NOT_PERMITTED", "SESSION_NOT_FOUND", "OK"),
    ]


async def changing_policies(story: Story) -> list[str]:
    """What a policy shortens is shorter at once, and the oldest session gives way where it says so."""
    issued = await story.issue(caller=story.shop)
    update = clients_pb.UpdateClientRequest(client=clients_pb.Client(client_id="shop"))
    policy = update.client.token_policy
    policy.session_limit_action = clients_pb.SESSION_LIMIT_ACTION_END_OLDEST
    policy.rotation = clients_pb.ROTATION_POLICY_ALWAYS
    policy.refresh_absolute_ttl.seconds = 3600
    policy.scopes.append("read")
    names = ("session_limit_action", "rotation", "refresh_absolute_ttl", "scopes")
    update.update_mask.paths.extend(f"token_policy.{name}" for name in names)
    await story.admin.UpdateClient(update)
    await story.refresh(issued.refresh_token, caller=story.shop)
    await story.refresh(issued.refresh_token, caller=story.shop)
    others = []
    for _ in range(3):
        others.append(await story.issue(caller=story.shop))
        story.clock.advance(seconds=1)
    await story.look(*(other.access_token for other in others), caller=story.shop)
    story.clock.advance(hours=1)
    await story.refresh(others[2].refresh_token, caller=story.shop)
    return [
        *("OK", "OK", "REFRESH_TOKEN_REUSED", "OK", "OK", "OK", "inactive", "active", "active"),
        "REFRESH_TOKEN_EXPIRED",
    ]


async def administering(story: Story) -> list[str]:
    """Who disables or deletes a client ends what it has."""
    issued = await story.issue(caller=story.shop)
    disabled = clients_pb.UpdateClientRequest(client=clients_pb.Client(client_id="shop", disabled=True))
    disabled.update_mask.paths.append("disabled")
    await story.tell(story.shop, "UpdateClient", disabled)
    await story.admin.UpdateClient(disabled)
    await story.look(issued.access_token)
    await story.refresh(issued.refresh_token)
    await story.refresh(issued.refresh_token, caller=story.shop)
    await story.issue(client_id="shop")
    deleted = await story.tell(story.admin, "DeleteClient", clients_pb.DeleteClientRequest(client_id="shop"))
    assert deleted is not None
    for method, request in (
        ("GetClient", clients_pb.GetClientRequest(client_id="shop")),
        ("DeleteClient", clients_pb.DeleteClientRequest(client_id="shop")),
        ("UpdateClient", clients_pb.UpdateClientRequest(client=clients_pb.Client(client_id="bff"))),
        ("CreateClient", clients_pb.CreateClientRequest(client=clients_pb.Client(client_id="new"))),
    ):
        await story.tell(story.admin, method, request)
    exists = clients_pb.Client(client_id="bff", type=clients_pb.CLIENT_TYPE_PUBLIC)
    await story.tell(story.admin, "CreateClient", clients_pb.CreateClientRequest(client=exists))
    return [
        *("OK", "CALLER_NOT_PERMITTED", "inactive", "CLIENT_DISABLED", "CALLER_UNAUTHENTICATED"),
        *("CLIENT_DISABLED", "OK", "CLIENT_NOT_FOUND", "CLIENT_NOT_FOUND", "INVALID_REQUEST", "INVALID_REQUEST"),
        "CLIENT_EXISTS",
    ]


async def leaving_traces(story: Story) -> list[str]:
    """The audit trail has the same events in the same order."""
    issued = await story.issue(device=PHONE, context=token_pb2.ClientContext(ip="192.0.2.1"))
    await story.refresh(issued.refresh_token)
    await story.refresh(issued.refresh_token)
    story.clock.advance(minutes=1)
    await story.refresh(issued.refresh_token)
    second = await story.issue(access_only=True)
    await story.revoke(token=second.access_token, reason="lost")
    await story.revoke(subject="ada", reason="gone")
    await story.revoke(device=pb.RevokeRequest.DeviceTarget(subject="ada", device_id="phone"))
    await story.revoke(client_id="bff")
    found = await story.admin.ListAuditEvents(
        audit_pb.ListAuditEventsRequest(filter=audit_pb.AuditFilter(client_id="bff"))
    )
    story.answers.append(
        [
            (event.type, event.caller, event.client_id, event.subject, event.reason, event.ip, event.time.seconds)
            for event in found.events
            if not event.type.startswith("client.created")
        ]
    )
    return ["OK", "OK", "OK", "REFRESH_TOKEN_REUSED", "OK", "OK", "OK", "OK", "OK"]
