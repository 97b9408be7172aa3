"""What a consumed refresh token leads to when it comes back."""

import asyncio

import pytest

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import change_policy, is_active, issue, refresh, session_of
from tests.rpc.tables import rows_of
from tokensvc.domain.policy import HOUR, SECOND


async def _rotated(caller: Caller, times: int) -> tuple[list[str], list[str]]:
    """Issue and refresh so often; answer all access and all refresh tokens, oldest first."""
    answer = await issue(caller)
    access_tokens, refresh_tokens = [answer.access_token], [answer.refresh_token]
    for _ in range(times):
        answer = await refresh(caller, refresh_tokens[-1])
        access_tokens.append(answer.access_token)
        refresh_tokens.append(answer.refresh_token)
    return access_tokens, refresh_tokens


async def test_two_rotations_in_one_moment_are_told_apart(bff: Caller) -> None:
    """With the clock standing still, the token before the last is caught: generations are counted, not timed."""
    _, tokens = await _rotated(bff, 2)
    assert (await failure(refresh(bff, tokens[0]))).reason == "REFRESH_TOKEN_REUSED"


@pytest.mark.parametrize("generation", range(4))
async def test_any_old_generation_ends_the_whole_family(bff: Caller, generation: int) -> None:
    """Whichever old token comes back, every access and refresh token of the session is dead."""
    access_tokens, refresh_tokens = await _rotated(bff, 5)
    refused = await failure(refresh(bff, refresh_tokens[generation]))
    assert (refused.code.name, refused.reason) == ("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED")
    assert not any([await is_active(bff, token) for token in access_tokens + refresh_tokens])
    assert (await failure(refresh(bff, refresh_tokens[-1]))).reason == "REFRESH_TOKEN_REVOKED"


async def test_another_session_of_the_subject_survives(bff: Caller) -> None:
    """A reuse in one session leaves another one of the same subject and client alone."""
    other = await issue(bff)
    _, tokens = await _rotated(bff, 2)
    await failure(refresh(bff, tokens[0]))
    assert await is_active(bff, other.access_token)
    assert (await refresh(bff, other.refresh_token)).refresh_token


async def test_a_retry_after_the_window_is_a_reuse(service: Service, bff: Caller) -> None:
    """When the retry window is over, the consumed token ends the family."""
    access_tokens, tokens = await _rotated(bff, 1)
    service.clock.advance(seconds=30)
    assert (await failure(refresh(bff, tokens[0]))).reason == "REFRESH_TOKEN_REUSED"
    assert not await is_active(bff, access_tokens[1])


async def test_a_retry_does_not_move_the_window(service: Service, bff: Caller) -> None:
    """The window counts from the rotation: a retry within it does not make room for a later one."""
    _, tokens = await _rotated(bff, 1)
    service.clock.advance(seconds=20)
    await refresh(bff, tokens[0])
    service.clock.advance(seconds=20)
    assert (await failure(refresh(bff, tokens[0]))).reason == "REFRESH_TOKEN_REUSED"


async def test_without_a_window_one_of_twenty_wins(service: Service) -> None:
    """With a retry window of zero, of parallel uses exactly one succeeds and the others are told of the reuse."""
    strict = await service.caller("strict", policy=policy_of(retry_window=0))
    issued = await issue(strict)
    results = await asyncio.gather(*(refresh(strict, issued.refresh_token) for _ in range(20)), return_exceptions=True)
    won = [result for result in results if not isinstance(result, BaseException)]
    lost = [await failure(_raised(result)) for result in results if isinstance(result, BaseException)]
    assert len(won) == 1
    assert {refused.reason for refused in lost} == {"REFRESH_TOKEN_REUSED"}
    assert not await is_active(strict, won[0].access_token)


async def _raised(error: BaseException) -> None:
    raise error


async def test_a_shorter_window_counts_at_once(service: Service, bff: Caller) -> None:
    """When the policy's window is taken away, the consumed token is caught although it was rotated before."""
    _, tokens = await _rotated(bff, 1)
    await change_policy(service, "bff", retry_window=0)
    assert (await failure(refresh(bff, tokens[0]))).reason == "REFRESH_TOKEN_REUSED"


async def test_a_consumed_token_stays_consumed_under_any_policy(service: Service, bff: Caller) -> None:
    """A reuse that was caught stays caught when the policy turns generous afterwards."""
    _, tokens = await _rotated(bff, 2)
    await failure(refresh(bff, tokens[0]))
    await change_policy(service, "bff", retry_window=HOUR, refresh_idle_ttl=HOUR, access_ttl=SECOND)
    assert [(await failure(refresh(bff, token))).reason for token in tokens] == [
        "REFRESH_TOKEN_REUSED",
        "REFRESH_TOKEN_REUSED",
        "REFRESH_TOKEN_REVOKED",
    ]


async def test_a_longer_window_revives_no_consumed_token(service: Service, bff: Caller) -> None:
    """A token whose window was over stays consumed when the policy's window is widened afterwards."""
    caller = await service.caller("strict", policy=policy_of(retry_window=0))
    issued = await issue(caller)
    await refresh(caller, issued.refresh_token)
    service.clock.advance(seconds=60)
    await change_policy(service, "strict", retry_window=HOUR)
    assert (await failure(refresh(caller, issued.refresh_token))).reason == "REFRESH_TOKEN_REUSED"


async def test_a_longer_window_revives_no_older_generation(service: Service, bff: Caller) -> None:
    """A generous window is for the token before the current one alone; the one before that is still caught."""
    _, tokens = await _rotated(bff, 2)
    await change_policy(service, "bff", retry_window=HOUR)
    assert (await failure(refresh(bff, tokens[0]))).reason == "REFRESH_TOKEN_REUSED"


@pytest.mark.parametrize("jump", [-3600, 3600])
async def test_a_jump_of_the_clock_brings_no_token_back(service: Service, bff: Caller, jump: int) -> None:
    """When the clock jumps an hour either way, a consumed token stays consumed."""
    _, tokens = await _rotated(bff, 1)
    service.clock.advance(seconds=jump)
    assert (await failure(refresh(bff, tokens[0]))).reason == "REFRESH_TOKEN_REUSED"


async def test_a_reuse_is_written_down(service: Service, bff: Caller) -> None:
    """A caught reuse stands in the audit trail with both generations and the address, and ends the session's row."""
    issued = await issue(bff)
    second = await refresh(bff, issued.refresh_token)
    await refresh(bff, second.refresh_token)
    await failure(refresh(bff, issued.refresh_token, context={"ip": "192.0.2.66"}))
    event = rows_of(service, "audit_events")[-1]
    assert (event["type"], event["subject"], event["ip"]) == ("session.reuse_detected", "ada", "192.0.2.66")
    assert event["details"] == '{"generation":2,"presented":0}'
    assert (await session_of(bff, issued.session_id)).revoke_reason == "tokensvc: refresh token reused"
