"""What survives kill -9 in the middle of load."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, failure, failure_of
from tests.system.processes import ServerProcess, calling, create_client, serving

ROUNDS = 20
WORKERS = 16


@dataclass
class History:
    """What one worker was told about one session."""

    issued: pb.IssueResponse
    refresh_tokens: list[str]
    """Every refresh token that was answered, in order."""
    access_tokens: list[str]
    revoke_sent: bool = False
    revoke_answered: bool = False


@dataclass
class Load:
    """Workers that issue, refresh and revoke until the server is gone."""

    caller: Caller
    chance: random.Random
    histories: list[History] = field(default_factory=list)
    answers: int = 0

    async def run(self, kill_after: int, kill: Callable[[], None]) -> None:
        """Load the server; once `kill_after` calls have been answered, kill it, with the others under way."""

        async def worker() -> None:
            try:
                while True:
                    await self._one_session(lambda: self._count(kill_after, kill))
            except grpc.aio.AioRpcError:
                return  # the server is gone; what was under way is unknown

        await asyncio.gather(*(worker() for _ in range(WORKERS)))

    def _count(self, kill_after: int, kill: Callable[[], None]) -> None:
        self.answers += 1
        if self.answers == kill_after:
            kill()

    async def _one_session(self, answered: Callable[[], None]) -> None:
        issued = await self.caller.Issue(pb.IssueRequest(subject=f"user-{self.chance.randrange(8)}"))
        history = History(issued, [issued.refresh_token], [issued.access_token])
        self.histories.append(history)
        answered()
        for _ in range(self.chance.randrange(6)):
            refreshed = await self.caller.Refresh(pb.RefreshRequest(refresh_token=history.refresh_tokens[-1]))
            history.refresh_tokens.append(refreshed.refresh_token)
            history.access_tokens.append(refreshed.access_token)
            answered()
        if self.chance.random() < 0.3:
            history.revoke_sent = True
            await self.caller.Revoke(pb.RevokeRequest(session_id=issued.session_id, reason="logout"))
            history.revoke_answered = True
            answered()


async def check(caller: Caller, history: History) -> None:
    """Compare one session with what was answered about it."""
    newest = pb.RefreshRequest(refresh_token=history.refresh_tokens[-1])
    tokens = [history.access_tokens[0], history.access_tokens[-1]]
    found = await caller.BatchIntrospect(pb.BatchIntrospectRequest(tokens=tokens))
    if history.revoke_answered:
        assert not any(result.active for result in found.results)
        assert (await failure(caller.Refresh(newest))).reason == "REFRESH_TOKEN_REVOKED"
        return
    if history.revoke_sent:
        return  # done or not done: both are right
    assert all(result.active for result in found.results)
    if len(history.refresh_tokens) > 1:
        previous = pb.RefreshRequest(refresh_token=history.refresh_tokens[-2])
        retried = await retry_or_reuse(caller, previous)
        if retried is None:
            return  # the refresh under way at the crash was done: the one before it was two rotations old
        assert retried == history.refresh_tokens[-1]
    successors = {(await caller.Refresh(newest)).refresh_token for _ in range(2)}
    assert len(successors) == 1


async def retry_or_reuse(caller: Caller, request: pb.RefreshRequest) -> str | None:
    """The successor of a consumed token; None if it is too old to be told."""
    try:
        answer: pb.RefreshResponse = await caller.Refresh(request)
    except grpc.aio.AioRpcError as error:
        if failure_of(error).reason != "REFRESH_TOKEN_REUSED":
            raise
        return None
    return answer.refresh_token


async def test_nothing_acknowledged_is_lost_and_no_token_has_two_successors(tmp_path: Path) -> None:
    """After each of 20 kills under load, every answered Issue, Refresh and Revoke is there as it was answered."""
    data_dir = tmp_path / "data"
    secret = create_client(
        data_dir, "bff", "--permission", "issue,refresh,introspect,revoke", "--scope", "read", "--retry-window", "1h"
    )
    chance = random.Random(20)
    unchecked: list[History] = []
    for _ in range(ROUNDS + 1):
        with serving(data_dir) as server, calling(server, "bff", secret) as caller:
            await asyncio.gather(*(check(caller, history) for history in unchecked))
            load = Load(caller, chance)
            await load.run(chance.randrange(40, 400), server.kill)
            unchecked = load.histories
            assert len(unchecked) >= WORKERS
            await caller.channel.close()


async def test_consumed_and_revoked_survive_a_restart(tmp_path: Path) -> None:
    """After a clean stop and a new start, a replayed token is still reuse, and a revoked one still revoked."""
    data_dir = tmp_path / "data"
    secret = create_client(data_dir, "bff", "--permission", "issue,refresh,introspect,revoke", "--scope", "read")
    with serving(data_dir) as server, calling(server, "bff", secret) as caller:
        consumed = await caller.Issue(pb.IssueRequest(subject="ada"))
        second = await caller.Refresh(pb.RefreshRequest(refresh_token=consumed.refresh_token))
        await caller.Refresh(pb.RefreshRequest(refresh_token=second.refresh_token))
        revoked = await caller.Issue(pb.IssueRequest(subject="bob"))
        kept = await caller.Issue(pb.IssueRequest(subject="cy"))
        await caller.Revoke(pb.RevokeRequest(token=revoked.access_token))
        await caller.channel.close()
        assert server.terminate() == 0
    with serving(data_dir) as server, calling(server, "bff", secret) as caller:
        tokens = [revoked.access_token, kept.access_token]
        found = await caller.BatchIntrospect(pb.BatchIntrospectRequest(tokens=tokens))
        replayed = await failure(caller.Refresh(pb.RefreshRequest(refresh_token=consumed.refresh_token)))
        await caller.channel.close()
    assert [result.active for result in found.results] == [False, True]
    assert replayed.reason == "REFRESH_TOKEN_REUSED"


async def test_a_stop_under_load_ends_cleanly(tmp_path: Path) -> None:
    """SIGTERM under load: the process ends with exit code 0, and everything that it answered is there afterwards."""
    data_dir = tmp_path / "data"
    secret = create_client(
        data_dir, "bff", "--permission", "issue,refresh,introspect,revoke", "--scope", "read", "--retry-window", "1h"
    )
    codes: list[int] = []

    def stop(server: ServerProcess) -> None:
        codes.append(0)
        server.process.terminate()

    with serving(data_dir) as server, calling(server, "bff", secret) as caller:
        load = Load(caller, random.Random(7))
        await load.run(200, lambda: stop(server))
        assert codes
        assert server.process.wait(20) == 0
        await caller.channel.close()
    with serving(data_dir) as server, calling(server, "bff", secret) as caller:
        await asyncio.gather(*(check(caller, history) for history in load.histories))
        await caller.channel.close()
