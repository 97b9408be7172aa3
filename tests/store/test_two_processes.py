"""Two operating system processes on one SQLite file."""

import asyncio
from pathlib import Path

import grpc
import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, failure_of, policy_of, running_service
from tests.store.other_process import other_process
from tests.store.samples import a_session, an_access_token, an_entry, sid, writing
from tokensvc.domain.policy import SECOND
from tokensvc.domain.revocation import EntryKind
from tokensvc.store.sql_store import SqlStore

ROUNDS = 50
Answer = pb.RefreshResponse | grpc.aio.AioRpcError


async def test_commits_of_another_process_are_in_the_next_view(sqlite_store: SqlStore, path: Path) -> None:
    """Each revocation that the other process has acknowledged is in the view that is asked for next."""
    await sqlite_store.view()
    async with other_process("revoke", path) as other:
        for place in range(ROUNDS):
            name = f"session-{place}"
            revision = int(await other.ask(name))
            view = await sqlite_store.view()
            assert view.revision == revision == place + 1
            assert view.has_revoked(an_access_token(a_session(name)))


async def test_the_other_process_sees_our_commits(sqlite_store: SqlStore, path: Path) -> None:
    """A session is active in the other process until the commit of its revocation is acknowledged here."""
    async with other_process("introspect", path) as other:
        for place in range(ROUNDS):
            name = f"session-{place}"
            assert await other.ask(name) == "False"
            await sqlite_store.commit(writing(log=(an_entry(EntryKind.SESSION, sid(name)),)))
            assert await other.ask(name) == "True"


async def refresh_twenty_times(data_dir: Path, retry_window: int) -> tuple[list[pb.RefreshResponse], list[str]]:
    """Refresh one token 20 times at once, over two processes; answer the successes and the others' reasons."""
    async with running_service(data_dir) as service, other_process("serve", data_dir) as other:
        here = await service.caller("bff", policy=policy_of(retry_window=retry_window))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{await other.ask('port')}") as channel:
            there = Caller(here.client_id, here.secret, channel)
            issued = await here.Issue(pb.IssueRequest(subject="ada"))
            request = pb.RefreshRequest(refresh_token=issued.refresh_token)
            calls = [caller.Refresh(request) for _ in range(10) for caller in (here, there)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
    successes = [answer for answer in answers if isinstance(answer, pb.RefreshResponse)]
    refusals = [failure_of(answer).reason for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert len(successes) + len(refusals) == 20
    return successes, refusals


@pytest.mark.parametrize("attempt", range(2))
async def test_without_a_retry_window_one_of_twenty_refreshes_succeeds(tmp_path: Path, attempt: int) -> None:
    """One use rotates the token; whichever process answers, all others are told of the reuse."""
    successes, refusals = await refresh_twenty_times(tmp_path / "data", 0)
    assert len(successes) == 1
    assert refusals == ["REFRESH_TOKEN_REUSED"] * 19


async def test_within_the_retry_window_twenty_refreshes_get_one_successor(tmp_path: Path) -> None:
    """Whichever process answers, everybody gets the same refresh token."""
    successes, refusals = await refresh_twenty_times(tmp_path / "data", 10 * SECOND)
    assert refusals == []
    assert len({success.refresh_token for success in successes}) == 1
