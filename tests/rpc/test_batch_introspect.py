"""Many tokens introspected at once."""

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.rpc.steps import introspect, issue, refresh, revoke
from tests.rpc.tables import tables_of


async def _batch(caller: Caller, tokens: list[str]) -> pb.BatchIntrospectResponse:
    return await caller.BatchIntrospect(pb.BatchIntrospectRequest(tokens=tokens))


async def _mixture(bff: Caller) -> list[str]:
    """Tokens of all kinds, active and not."""
    plain, ended, rotated = await issue(bff), await issue(bff, "bob"), await issue(bff, "eve", claims={"tenant": "t1"})
    successor = await refresh(bff, rotated.refresh_token)
    await revoke(bff, session_id=ended.session_id)
    tokens = [plain.access_token, ended.access_token, plain.refresh_token, ended.refresh_token]
    return [*tokens, rotated.refresh_token, successor.refresh_token, successor.access_token, "nonsense", "tsr1_"]


async def test_the_answers_are_in_the_order_of_the_tokens(bff: Caller) -> None:
    """Each result stands where its token stood, a repeated token's as often as it was given."""
    issued = [await issue(bff, f"user-{number}") for number in range(5)]
    tokens = [token for answer in issued for token in (answer.access_token, answer.refresh_token)]
    batch = await _batch(bff, [*reversed(tokens), tokens[0], tokens[1], tokens[0]])
    subjects = [f"user-{number}" for number in range(5) for _ in range(2)]
    assert [result.subject for result in batch.results] == [*reversed(subjects), "user-0", "user-0", "user-0"]


async def test_a_batch_answers_what_single_calls_answer(bff: Caller) -> None:
    """Apart from the revision, which a batch says once, every result is what Introspect says of its token."""
    tokens = await _mixture(bff)
    batch = await _batch(bff, tokens)
    for token, result in zip(tokens, batch.results, strict=True):
        single = await introspect(bff, token)
        single.revision = 0
        assert result == single


async def test_a_batch_says_its_revision(service: Service, bff: Caller) -> None:
    """The revision of the batch is the log's, also where no token is active."""
    revision = await revoke(bff, subject="bob")
    assert (await _batch(bff, ["nonsense"])).revision == revision


async def test_a_thousand_tokens_are_one_batch(bff: Caller) -> None:
    """The largest batch is answered whole, access and refresh tokens and rubbish together."""
    issued = await issue(bff)
    tokens = [issued.access_token, "nonsense"] * 499 + [issued.refresh_token, "tsr1_rubbish"]
    batch = await _batch(bff, tokens)
    assert [result.active for result in batch.results] == [True, False] * 500


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_has_1_to_1000_tokens(bff: Caller, count: int) -> None:
    """An empty and a too large batch are refused with the field named."""
    refused = await failure(_batch(bff, ["nonsense"] * count))
    assert (refused.code.name, refused.reason, refused.fields) == ("INVALID_ARGUMENT", "INVALID_REQUEST", ("tokens",))


async def test_an_empty_token_spoils_its_batch(bff: Caller) -> None:
    """A batch with an empty token is refused with the field named, as a single empty token is."""
    refused = await failure(_batch(bff, [(await issue(bff)).access_token, ""]))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("tokens",))


async def test_a_batch_writes_nothing(service: Service, bff: Caller) -> None:
    """After a batch of every kind of token every table is as it was."""
    tokens = await _mixture(bff)
    before = tables_of(service)
    await _batch(bff, tokens)
    assert tables_of(service) == before
