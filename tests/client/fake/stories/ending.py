"""How tokens and sessions end: Revoke, time, and keys."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_pb.v1 import key_service_pb2 as keys_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.fake.telling import PHONE, START, Story


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
