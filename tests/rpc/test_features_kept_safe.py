"""The rows of docs/features.md about keys, transport, clean-up and errors: the shortest story that shows each."""

from pathlib import Path

import jwt
import pytest
from grpc import StatusCode
from tokensvc_pb.v1 import key_service_pb2 as keys_pb

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.faults import through
from tests.rpc.secured import secured
from tests.rpc.steps import introspect, is_active, issue, refresh
from tests.rpc.tables import rows_of
from tokensvc.crypto.root_keys import RootKey
from tokensvc.crypto.wrapping import Wrapper, binding
from tokensvc.domain.client import Permission
from tokensvc.domain.keys import RootKeyError
from tokensvc.domain.policy import DAY, HOUR, SECOND

LEAD = 3600  # seconds, the default


async def test_row_26_encryption_at_rest(service: Service) -> None:
    """Each key is wrapped for its own row, by a root key that is not in the database."""
    keys = await service.store.keys()
    places = [binding(key.purpose, key.key_id, key.algorithm) for key in keys]
    wrapper = service.keys.maker.wrapper
    for key, place in zip(keys, places, strict=True):
        assert wrapper.unwrap(key.wrapped, place)
        for other_wrapper, other_place in [(Wrapper(RootKey(bytes(32))), place), *((wrapper, at) for at in places)]:
            if (other_wrapper, other_place) != (wrapper, place):
                with pytest.raises(RootKeyError):
                    other_wrapper.unwrap(key.wrapped, other_place)
    files = b"".join(path.read_bytes() for path in service.settings.data_dir.glob("tokensvc.db*"))
    assert not any(wrapper.unwrap(key.wrapped, place) in files for key, place in zip(keys, places, strict=True))


async def test_row_27_key_rotation(service: Service, bff: Caller) -> None:
    """The next key is published before it is used, and what the one before has signed lives its life."""
    admin = await service.caller("admin", permissions=frozenset(Permission))
    before = await issue(bff)
    for purpose in (
        keys_pb.KEY_PURPOSE_SIGNING,
        keys_pb.KEY_PURPOSE_REFRESH_MAC,
        keys_pb.KEY_PURPOSE_SESSION_MAC,
    ):
        made = (await admin.RotateKey(keys_pb.RotateKeyRequest(purpose=purpose))).key
        assert made.state == keys_pb.KEY_STATE_PREPARED
    published = (await bff.GetJwks(keys_pb.GetJwksRequest())).jwks
    service.clock.advance(seconds=LEAD)
    between = await issue(bff)
    after = await refresh(bff, before.refresh_token)
    old, new = (jwt.get_unverified_header(token.access_token)["kid"] for token in (before, after))
    assert old != new
    assert new in published
    assert await is_active(bff, between.access_token)
    assert (await refresh(bff, between.refresh_token)).session_id == between.session_id


async def test_row_28_transport(service: Service, bff: Caller, tmp_path: Path) -> None:
    """Calls go through TLS, and a replaced certificate is for the connections that come."""
    async with secured(service, tmp_path) as server:
        async with server.channel() as channel:
            caller = through(bff, channel)
            token = (await issue(caller)).access_token
            server.replace_certificate(server.authority.server())
            assert (await introspect(caller, token)).active
        async with server.channel() as channel:
            assert (await introspect(through(bff, channel), token)).active


async def test_row_29_clean_up(service: Service) -> None:
    """What has expired goes; an old token of a session that lives is still found out."""
    brief = await service.caller("brief", policy=policy_of(refresh_absolute_ttl=HOUR, refresh_idle_ttl=HOUR))
    lasting = await service.caller("lasting", policy=policy_of())
    await issue(brief)
    first = (await issue(lasting)).refresh_token
    second = (await refresh(lasting, first)).refresh_token
    await refresh(lasting, second)
    service.clock.advance(seconds=DAY // SECOND)
    assert (await service.store.prune(service.clock(), 100))["sessions"] == 1
    assert [row["client_id"] for row in rows_of(service, "sessions")] == ["lasting"]
    assert (await failure(refresh(lasting, first))).reason == "REFRESH_TOKEN_REUSED"


async def test_row_30_clear_errors(bff: Caller) -> None:
    """Code, reason and field say what is wrong, and the message repeats nothing that was sent."""
    refused = await failure(issue(bff, context={"ip": "somewhere"}))
    assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert refused.fields == ("context.ip",)
    assert "somewhere" not in refused.message
    forged = await failure(refresh(bff, "tsr1_of-my-own-making"))
    assert (forged.code, forged.reason) == (StatusCode.UNAUTHENTICATED, "REFRESH_TOKEN_INVALID")
    assert "making" not in forged.message
