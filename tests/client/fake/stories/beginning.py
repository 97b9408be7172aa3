"""Sessions that begin and go on: Issue and Refresh."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_pb2

from tests.client.fake.telling import PHONE, Story

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


async def limiting_sessions(story: Story) -> list[str]:
    """A subject has as many sessions as the policy says; ended ones do not count."""
    first = await story.issue(caller=story.shop)
    await story.issue(caller=story.shop)
    await story.issue(caller=story.shop)
    await story.issue("bob", caller=story.shop)
    await story.revoke(story.shop, session_id=first.session_id)
    await story.issue(caller=story.shop)
    return ["OK", "OK", "SESSION_LIMIT_REACHED", "OK", "OK", "OK"]


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
