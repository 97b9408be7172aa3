"""The steps that the tests of this folder are written in: RPCs in one line, and changes made behind the service."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service
from tests.store.samples import a_session
from tokensvc.domain.effects import Effects
from tokensvc.domain.policy import DAY, RefreshTokenFormat
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.ports import Rows, Unit


async def issue(caller: Caller, subject: str = "ada", **fields: Any) -> pb.IssueResponse:
    """Issue for `subject`."""
    return await caller.Issue(pb.IssueRequest(subject=subject, **fields))


async def refresh(caller: Caller, token: str, **fields: Any) -> pb.RefreshResponse:
    """Refresh `token`."""
    return await caller.Refresh(pb.RefreshRequest(refresh_token=token, **fields))


async def revoke(caller: Caller, **fields: Any) -> int:
    """Revoke a target; answer the revision."""
    return (await caller.Revoke(pb.RevokeRequest(**fields))).revision


async def introspect(caller: Caller, token: str, **fields: Any) -> pb.IntrospectResponse:
    """Introspect `token`."""
    return await caller.Introspect(pb.IntrospectRequest(token=token, **fields))


async def exchange(caller: Caller, token: str, *audiences: str, **fields: Any) -> pb.ExchangeResponse:
    """Exchange `token` for one for `audiences`, `ledger` if none is named."""
    return await caller.Exchange(pb.ExchangeRequest(subject_token=token, audiences=audiences or ["ledger"], **fields))


async def is_active(caller: Caller, token: str, **fields: Any) -> bool:
    """Whether `token` introspects active."""
    return (await introspect(caller, token, **fields)).active


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what nobody tells of."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


def sealed(service: Service, handle: bytes, generation: int) -> str:
    """The opaque refresh token of this handle and generation, which nobody but `service` can make."""
    session = replace(a_session(), generation=generation)
    return service.keys.refresh_tokens.mint(handle, session, RefreshTokenFormat.OPAQUE)


async def session_of(caller: Caller, session_id: str) -> sessions_pb.Session:
    """The session with this id."""
    return (await caller.GetSession(sessions_pb.GetSessionRequest(session_id=session_id))).session


async def change_policy(service: Service, client_id: str, **fields: Any) -> None:
    """Write a client with another token policy, and tell the nodes."""
    now = service.clock()
    entry = LogEntry(EntryKind.CLIENT_CHANGED, client_id, at=now, expires_at=now + DAY)

    def decide(rows: Rows) -> Effects[None]:
        client = rows.client(client_id)
        assert client is not None
        return Effects(None, client=replace(client, policy=replace(client.policy, **fields)), log=(entry,))

    await service.store.commit(Unit(decide, client_id=client_id))
