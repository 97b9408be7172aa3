"""Revoke and Refresh at the same moment."""

import asyncio
import random

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, failure
from tests.rpc.steps import is_active, issue, refresh, revoke

_ROUNDS = 25


async def _refresh_until_refused(caller: Caller, token: str, answers: list[pb.RefreshResponse]) -> None:
    """Refresh on and on, keeping every answer, until the session is dead; a minute at most."""
    async with asyncio.timeout(60):
        while True:
            answers.append(await refresh(caller, token))
            token = answers[-1].refresh_token


@pytest.mark.parametrize("target", ["session_id", "token", "subject", "client_id"])
async def test_once_revoke_has_answered_nothing_of_the_family_is_active(bff: Caller, target: str) -> None:
    """However they interleave, after Revoke's answer no token that a Refresh has given or still gives is active."""
    chance = random.Random(target)
    for _ in range(_ROUNDS):
        issued = await issue(bff)
        answers: list[pb.RefreshResponse] = []
        refreshing = asyncio.ensure_future(_refresh_until_refused(bff, issued.refresh_token, answers))
        for _ in range(chance.randrange(3)):
            await is_active(bff, issued.access_token)  # lets the refreshes get ahead, now more, now less
        values = {"session_id": issued.session_id, "token": issued.refresh_token, "subject": "ada", "client_id": "bff"}
        await revoke(bff, **{target: values[target]})
        assert not await is_active(bff, issued.access_token)
        assert (await failure(refreshing)).reason == "REFRESH_TOKEN_REVOKED"
        tokens = [token for answer in answers for token in (answer.access_token, answer.refresh_token)]
        assert not any([await is_active(bff, token) for token in tokens])
