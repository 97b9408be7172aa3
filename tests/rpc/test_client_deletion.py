"""What a deletion ends, and that a client of the same id later gets nothing of it back."""

import pytest
from tokensvc_pb.v1 import client_service_pb2 as pb
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb

from tests.harness import Caller, Service, failure
from tests.rpc.steps import introspect, is_active, issue, refresh, session_of
from tokensvc.domain.client import Permission


@pytest.fixture
async def admin(service: Service) -> Caller:
    """A caller that may administer, beside a public client `app`."""
    await service.public_client("app")
    return await service.caller("admin", permissions=frozenset({Permission.ADMIN}), acts_for=frozenset())


async def delete(admin: Caller, client_id: str = "app") -> int:
    """Delete the client; answer the revision."""
    return (await admin.DeleteClient(pb.DeleteClientRequest(client_id=client_id))).revision


async def test_a_deletion_ends_everything_issued(admin: Caller, bff: Caller) -> None:
    """Tokens with a session and without are inactive from the answer on, and nothing is refreshed."""
    issued, alone = await issue(bff, client_id="app"), await issue(bff, client_id="app", access_only=True)
    own = await issue(bff)
    revision = await delete(admin)
    answer = await introspect(bff, own.access_token, min_revision=revision)
    assert answer.active
    assert answer.revision >= revision
    for token in (issued.access_token, issued.refresh_token, alone.access_token):
        assert not await is_active(bff, token)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "CLIENT_DISABLED"
    assert (await session_of(bff, issued.session_id)).state == sessions_pb.SESSION_STATE_REVOKED


async def test_nothing_is_issued_for_a_deleted_client(admin: Caller, bff: Caller) -> None:
    """It is not there."""
    await delete(admin)
    refused = await failure(issue(bff, client_id="app"))
    assert (refused.code.name, refused.reason) == ("NOT_FOUND", "CLIENT_NOT_FOUND")


@pytest.mark.parametrize("seconds", [0, 60, -60], ids=["at once", "later", "by a clock that was set back"])
async def test_a_client_of_the_same_id_revives_nothing(
    service: Service, admin: Caller, bff: Caller, seconds: int
) -> None:
    """What was issued for the first stays ended whatever the clock says; what is issued for the second lives."""
    old, alone = await issue(bff, client_id="app"), await issue(bff, client_id="app", access_only=True)
    await delete(admin)
    service.clock.advance(seconds=seconds)
    await service.public_client("app")
    new = await issue(bff, client_id="app")
    for token in (old.access_token, old.refresh_token, alone.access_token):
        assert not await is_active(bff, token)
    assert (await failure(refresh(bff, old.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"
    assert await is_active(bff, new.access_token)
    assert await is_active(bff, (await refresh(bff, new.refresh_token)).access_token)
    assert not await is_active(bff, old.access_token)


async def test_a_deleted_caller_is_not_recognised(service: Service, admin: Caller, bff: Caller) -> None:
    """Neither at once nor when another client has its id."""
    await delete(admin, "bff")
    assert (await failure(issue(bff))).reason == "CALLER_UNAUTHENTICATED"
    second = await service.caller("bff")
    assert (await failure(issue(bff))).reason == "CALLER_UNAUTHENTICATED"
    assert await issue(second)


async def test_what_a_deleted_caller_has_issued_for_others_lives(admin: Caller, service: Service, bff: Caller) -> None:
    """A BFF that is replaced logs nobody out: the sessions are those of the app."""
    issued = await issue(bff, client_id="app")
    await delete(admin, "bff")
    assert await is_active(await service.caller("other"), issued.access_token)


async def test_a_second_deletion_finds_nothing(admin: Caller) -> None:
    """Whoever comes second is told so."""
    await delete(admin)
    assert (await failure(delete(admin))).reason == "CLIENT_NOT_FOUND"
