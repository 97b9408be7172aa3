"""What is told to the fake and to the service alike, and how each step of it must end."""

from collections.abc import Awaitable, Callable

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_pb.v1 import audit_service_pb2 as audit_pb
from tokensvc_pb.v1 import client_service_pb2 as clients_pb
from tokensvc_pb.v1 import key_service_pb2 as keys_pb
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.fake.telling import START, Story

PHONE = token_pb2.Device(id="phone", name="Ada's phone", platform="ios")
KEY = "a login of ada's, number one"


async def issuing(story: Story) -> list[str]:
    """All that Issue can be told about a login comes back in the token and at Introspect."""
    claims = Struct()
    claims.update({"tenant": "acme", "level": 3, "parts": [1.5, True]})
    issued = await story.issue(
        scopes=["read"],
        audiences=["api"],
        device=PHONE,
        context=token_pb2.ClientContext(ip="192.0.2.1", location="Lyon, FR"),
        access_ttl=Duration(seconds=60),
        refresh_ttl=Duration(seconds=3600),
        auth_time=Timestamp(seconds=1_799_999_000),
        acr="urn:high",
        amr=["pwd", "otp"],
        claims=claims,
    )
    await story.look(issued.access_token, issued.refresh_token)
    plain = await story.issue("bob", access_only=True)
    await story.look(plain.access_token)
    return ["OK", "active", "active", "OK", "active"]


async def issuing_the_impossible(story: Story) -> list[str]:
    """Each bad wish is refused with its reason and field."""
    reserved = Struct()
    reserved.update({"sub": "eve"})
    await story.issue("")
    await story.issue(scopes=["admin"])
    await story.issue(audiences=["elsewhere"])
    await story.issue(claims=reserved)
    await story.issue(access_ttl=Duration(nanos=999_000_000))
    await story.issue(idempotency_key="short")
    await story.issue(client_id="nobody")
    await story.issue(client_id="bff", caller=story.shop)
    await story.issue(caller=story.watcher)
    await story.issue(confirmation=token_pb2.Confirmation())
    return [
        *("INVALID_REQUEST", "INVALID_SCOPE", "INVALID_AUDIENCE", "INVALID_REQUEST", "INVALID_REQUEST"),
        *("INVALID_REQUEST", "CLIENT_NOT_FOUND", "CALLER_NOT_PERMITTED", "CALLER_NOT_PERMITTED", "INVALID_REQUEST"),
    ]


async def issuing_again(story: Story) -> list[str]:
    """A repeated Issue is the same session, until that is used."""
    first = await story.issue(idempotency_key=KEY)
    await story.issue(idempotency_key=KEY, context=token_pb2.ClientContext(ip="192.0.2.7"))
    await story.issue("bob", idempotency_key=KEY)
    await story.refresh(first.refresh_token)
    await story.issue(idempotency_key=KEY)
    return ["OK", "OK", "INVALID_REQUEST", "OK", "INVALID_REQUEST"]


async def refreshing(story: Story) -> list[str]:
    """A refresh token is traded for its successor; a retry gets the same one."""
    issued = await story.issue(device=PHONE)
    story.clock.advance(minutes=1)
    refreshed = await story.refresh(issued.refresh_token)
    story.clock.advance(seconds=29)
    retried = await story.refresh(issued.refresh_token)
    assert retried.refresh_token == refreshed.refresh_token
    await story.look(issued.refresh_token, refreshed.refresh_token, issued.access_token, retried.access_token)
    await story.refresh(refreshed.refresh_token, scopes=["read"], audiences=["billing"])
    return ["OK", "OK", "OK", "inactive", "active", "active", "active", "OK"]


async def refreshing_in_vain(story: Story) -> list[str]:
    """What is wider, forged or another's is refused, and consumes nothing."""
    issued = await story.issue(scopes=["read"], audiences=["api"], credential_version="1")
    token = issued.refresh_token
    forged = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
    await story.refresh("")
    await story.refresh(forged)
    await story.refresh("tsr1_short")
    await story.refresh(token, client_id="shop")
    await story.refresh(token, caller=story.shop)
    await story.refresh(token, scopes=["write"])
    await story.refresh(token, audiences=["billing"])
    await story.refresh(token, credential_version="2")
    await story.refresh(token, dpop=token_pb2.DpopProof(proof="p", method="POST", uri="https://bff.test/refresh"))
    await story.refresh(token, caller=story.watcher)
    await story.refresh(token, credential_version="1", client_id="bff")
    bound = await story.issue(confirmation=token_pb2.Confirmation(jkt="0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"))
    await story.look(bound.access_token)
    await story.refresh(bound.refresh_token)
    return [
        *("OK", "INVALID_REQUEST", "REFRESH_TOKEN_INVALID", "REFRESH_TOKEN_INVALID"),
        *("CLIENT_MISMATCH", "CLIENT_MISMATCH"),
        *("INVALID_SCOPE", "INVALID_AUDIENCE", "CREDENTIAL_CHANGED", "INVALID_REQUEST", "CALLER_NOT_PERMITTED", "OK"),
        *("OK", "active", "BINDING_MISMATCH"),
    ]


async def reusing(story: Story) -> list[str]:
    """A consumed token that comes back too late ends its whole session, and no other."""
    issued, other = await story.issue(), await story.issue()
    refreshed = await story.refresh(issued.refresh_token)
    story.clock.advance(seconds=30)
    await story.refresh(issued.refresh_token)
    await story.refresh(refreshed.refresh_token)
    await story.refresh(issued.refresh_token)
    await story.look(issued.access_token, refreshed.access_token, refreshed.refresh_token, other.access_token)
    await story.tell(story.bff, "GetSession", sessions_pb.GetSessionRequest(session_id=issued.session_id))
    return [
        *("OK", "OK", "OK", "REFRESH_TOKEN_REUSED", "REFRESH_TOKEN_REVOKED", "REFRESH_TOKEN_REUSED"),
        *("inactive", "inactive", "inactive", "active", "OK"),
    ]


async def revoking_tokens(story: Story) -> list[str]:
    """An access token ends alone, a refresh token with its session; what is unknown is answered alike."""
    first, second, third = [await story.issue() for _ in range(3)]
    await story.revoke(token=first.access_token, reason="lost")
    await story.revoke(token=second.refresh_token)
    await story.revoke(session_id=third.session_id)
    await story.look(*(issued.access_token for issued in (first, second, third)))
    for issued in (first, second, third):
        await story.refresh(issued.refresh_token)
    await story.revoke(token="unknown")
    await story.revoke(token=first.access_token)
    await story.revoke(session_id="unknown")
    await story.revoke(token=first.refresh_token, caller=story.shop)
    await story.revoke()
    await story.revoke(token=first.refresh_token, issued_before=Timestamp(seconds=1))
    return [
        *("OK", "OK", "OK", "OK", "OK", "OK", "inactive", "inactive", "inactive"),
        *("OK", "REFRESH_TOKEN_REVOKED", "REFRESH_TOKEN_REVOKED"),
        *("OK", "OK", "OK", "OK", "INVALID_REQUEST", "INVALID_REQUEST"),
    ]


async def revoking_everything(story: Story) -> list[str]:
    """A subject, a device and a client end with all that they had, and may begin anew at once."""
    for target in (
        pb.RevokeRequest(subject="ada"),
        pb.RevokeRequest(device=pb.RevokeRequest.DeviceTarget(subject="ada", device_id="phone")),
        pb.RevokeRequest(client_id="bff"),
    ):
        on_phone, elsewhere, of_bob = await story.issue(device=PHONE), await story.issue(), await story.issue("bob")
        await story.tell(story.bff, "Revoke", target)
        await story.look(on_phone.access_token, elsewhere.access_token, of_bob.access_token)
        await story.refresh(on_phone.refresh_token)
        await story.look((await story.issue(device=PHONE)).access_token)
    await story.revoke(story.shop, subject="ada")
    await story.revoke(story.shop, client_id="bff")
    await story.revoke(device=pb.RevokeRequest.DeviceTarget(subject="ada"))
    dead = ["REFRESH_TOKEN_REVOKED", "OK", "active"]
    return [
        *("OK", "OK", "OK", "OK", "inactive", "inactive", "active", *dead),
        *("OK", "OK", "OK", "OK", "inactive", "active", "active", *dead),
        *("OK", "OK", "OK", "OK", "inactive", "inactive", "inactive", *dead),
        *("CALLER_NOT_PERMITTED", "CALLER_NOT_PERMITTED", "INVALID_REQUEST"),
    ]


async def revoking_what_is_older(story: Story) -> list[str]:
    """With issued_before only what began before that moment ends."""
    old = await story.issue()
    story.clock.advance(seconds=10)
    new = await story.issue()
    cut_off = Timestamp()
    cut_off.FromSeconds(int(START.timestamp()) + 10)
    await story.revoke(subject="ada", issued_before=cut_off)
    await story.look(old.access_token, new.access_token)
    await story.refresh(old.refresh_token)
    await story.refresh(new.refresh_token)
    await story.revoke(subject="ada", issued_before=Timestamp(seconds=4_000_000_000))
    return ["OK", "OK", "OK", "inactive", "active", "REFRESH_TOKEN_REVOKED", "OK", "INVALID_REQUEST"]


async def expiring(story: Story) -> list[str]:
    """Access tokens, idle sessions and old sessions end in their time, and not before."""
    issued = await story.issue(refresh_ttl=Duration(seconds=40 * 86_400))
    story.clock.advance(seconds=299)
    await story.look(issued.access_token)
    story.clock.advance(seconds=1)
    await story.look(issued.access_token)
    story.clock.advance(days=30, seconds=-301)
    refreshed = await story.refresh(issued.refresh_token)
    story.clock.advance(days=10)
    await story.look(refreshed.refresh_token)
    story.clock.advance(seconds=1)
    await story.refresh(refreshed.refresh_token)
    idle = await story.issue()
    story.clock.advance(days=30)
    await story.refresh(idle.refresh_token)
    await story.look(idle.refresh_token)
    return [
        "OK",
        "active",
        "inactive",
        "OK",
        "active",
        "REFRESH_TOKEN_EXPIRED",
        "OK",
        "REFRESH_TOKEN_EXPIRED",
        "inactive",
    ]


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
    await story.revoke(token=issued.access_token)
    await story.look(traded.access_token, again.access_token)
    return [
        *("OK", "OK", "active", "OK", "SUBJECT_TOKEN_INVALID", "INVALID_REQUEST", "INVALID_SCOPE"),
        *("SUBJECT_TOKEN_INVALID", "OK", "inactive", "inactive"),
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


async def limiting_sessions(story: Story) -> list[str]:
    """A subject has as many sessions as the policy says; ended ones do not count."""
    first = await story.issue(caller=story.shop)
    await story.issue(caller=story.shop)
    await story.issue(caller=story.shop)
    await story.issue("bob", caller=story.shop)
    await story.revoke(story.shop, session_id=first.session_id)
    await story.issue(caller=story.shop)
    return ["OK", "OK", "SESSION_LIMIT_REACHED", "OK", "OK", "OK"]


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


async def changing_keys(story: Story) -> list[str]:
    """A key that is revoked takes all that it has signed with it."""
    issued = await story.issue()
    keys = await story.admin.ListKeys(keys_pb.ListKeysRequest())
    signing = next(key.key_id for key in keys.keys if key.purpose == keys_pb.KEY_PURPOSE_SIGNING)
    revoked = keys_pb.RevokeKeyRequest(key_id=signing, purpose=keys_pb.KEY_PURPOSE_SIGNING)
    await story.tell(story.bff, "RevokeKey", revoked)
    await story.tell(story.admin, "RevokeKey", revoked)
    await story.look(issued.access_token)
    await story.look((await story.refresh(issued.refresh_token)).access_token)
    unknown = keys_pb.RevokeKeyRequest(key_id="unknown", purpose=keys_pb.KEY_PURPOSE_SIGNING)
    await story.tell(story.admin, "RevokeKey", unknown)
    await story.tell(story.admin, "RotateKey", keys_pb.RotateKeyRequest())
    return ["OK", "CALLER_NOT_PERMITTED", "OK", "inactive", "OK", "active", "KEY_NOT_FOUND", "INVALID_REQUEST"]


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


STORIES: tuple[Callable[[Story], Awaitable[list[str]]], ...] = (
    issuing,
    issuing_the_impossible,
    issuing_again,
    refreshing,
    refreshing_in_vain,
    reusing,
    revoking_tokens,
    revoking_everything,
    revoking_what_is_older,
    expiring,
    introspecting,
    exchanging,
    listing_sessions,
    limiting_sessions,
    administering,
    changing_keys,
    leaving_traces,
)
