"""Where introspections have gone wrong elsewhere, under each format of refresh tokens: cases 23 to 27."""

from dataclasses import replace

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.domain.samples import GRANT, HANDLE
from tests.harness import Caller, Service, policy_of
from tests.rpc.faults import second_node, through
from tests.rpc.refresh_formats import (
    IN_EVERY_FORMAT,
    STATELESS,
    WHERE_A_ROW_COUNTS,
    app_under,
    both,
    is_dead,
    of_another_installation,
    refused,
    rotated,
)
from tests.rpc.steps import introspect, is_active, issue, refresh, revoke
from tests.rpc.tables import tables_of
from tokensvc.domain.client import Permission
from tokensvc.domain.policy import DAY, RefreshTokenFormat
from tokensvc.domain.session import begin
from tokensvc.services.clients import OPERATOR

REVOKED = "REFRESH_TOKEN_REVOKED"


@pytest.fixture
async def app(service: Service, token_format: RefreshTokenFormat) -> Caller:
    """A client with the format under test, whose sessions die when they are not used for a day."""
    return await app_under(service, token_format, refresh_idle_ttl=DAY)


async def _inactive(service: Service, app: Caller, token_format: RefreshTokenFormat) -> dict[str, str]:
    """A refresh token for each cause of inactive, of which none is the cause for another."""
    policy = policy_of(refresh_token_format=token_format)
    stranger, switched_off = [await service.caller(name, policy=policy) for name in ("stranger", "off")]
    expired = (await issue(app, "expired")).refresh_token
    service.clock.advance(days=1)
    revoked, of_subject, malformed = [(await issue(app, name)).refresh_token for name in ("one", "two", "three")]
    of_client = (await issue(switched_off)).refresh_token
    await revoke(app, token=revoked)
    await revoke(app, subject="two")
    await service.clients.set_disabled("off", disabled=True, caller=OPERATOR)
    return {
        "expired": expired,
        "revoked": revoked,
        "of a subject that was ended": of_subject,
        "of a client that is disabled": of_client,
        "unknown": of_another_installation(token_format),
        "malformed": malformed[:-1],
        "for another audience": (await issue(app, audiences=["billing"])).refresh_token,
        "of a client that is none of the caller's business": (await issue(stranger)).refresh_token,
    }


@pytest.fixture
async def reader(service: Service) -> Caller:
    """The audience `api`, which may also ask about the refresh tokens of `app` and `off`."""
    acts_for = frozenset({"app", "off"})
    return await service.caller("reader", permissions=frozenset({Permission.INTROSPECT}), acts_for=acts_for)


async def _answer(reader: Caller, token: str) -> tuple[bytes, tuple[object, ...]]:
    """What the audience `api` hears of `token`: every byte."""
    request = pb.IntrospectRequest(token=token, audience="api").SerializeToString()
    call = reader.channel.unary_unary("/tokensvc.v1.TokenService/Introspect")(request, metadata=reader.metadata)
    answer = await call
    return answer, (*(await call.initial_metadata() or ()), *(await call.trailing_metadata() or ()))


@IN_EVERY_FORMAT
async def test_case_23_every_cause_of_inactive_looks_the_same(
    service: Service, app: Caller, reader: Caller, token_format: RefreshTokenFormat
) -> None:
    """An empty message, and metadata without a word; what is alive is answered to the same caller."""
    tokens = await _inactive(service, app, token_format)
    answers = {cause: await _answer(reader, token) for cause, token in tokens.items()}
    assert answers == dict.fromkeys(tokens, (b"", ()))
    answer, _ = await _answer(reader, (await issue(app)).refresh_token)
    assert pb.IntrospectResponse.FromString(answer).active


@WHERE_A_ROW_COUNTS  # a stateless token is never consumed, and a genuine one brings its session: it cannot be unknown
async def test_case_23_so_do_causes_that_only_a_row_can_tell(
    service: Service, app: Caller, reader: Caller, token_format: RefreshTokenFormat
) -> None:
    """A consumed token, and a genuine one of a session that is not there."""
    consumed = (await rotated(app, 1))[0].refresh_token
    unknown = service.keys.refresh_tokens.mint(HANDLE, begin(replace(GRANT, client_id="app")), token_format)
    assert [await _answer(reader, token) for token in (consumed, unknown)] == [(b"", ())] * 2


@WHERE_A_ROW_COUNTS
async def test_case_23_in_a_batch_each_token_is_judged_by_itself(service: Service, app: Caller) -> None:
    """Also beside a stateless one of the same session, which says of itself what holds for it."""
    issued = await issue(app, subject="eve")
    opened = service.keys.refresh_tokens.open(issued.refresh_token)
    assert opened is not None
    kept = (await service.store.sessions_by_id([issued.session_id]))[issued.session_id].session
    brought = replace(kept, grant=replace(kept.grant, subject="ada"), is_stateless=True)
    tokens = [issued.refresh_token, service.keys.refresh_tokens.mint(opened.handle, brought, STATELESS)]
    tokens.append((await refresh(app, issued.refresh_token)).refresh_token)
    await revoke(app, subject="ada")
    for order in (tokens, tokens[::-1]):
        answer = await app.BatchIntrospect(pb.BatchIntrospectRequest(tokens=order))
        assert [result.active for result in answer.results] == [await is_active(app, token) for token in order]
        assert [token for token, result in zip(order, answer.results, strict=True) if result.active] == [tokens[2]]


@IN_EVERY_FORMAT
async def test_case_24_a_caller_outside_the_audience_hears_inactive(service: Service, app: Caller) -> None:
    """The access token is for its audience, the refresh token for who may act for its client, and for nobody else."""
    given = (await rotated(app, 1, audiences=["api"]))[1]
    of_audience = await service.caller("orders", acts_for=frozenset(), audiences=frozenset({"api"}))
    outside = await service.caller("mail", acts_for=frozenset(), audiences=frozenset({"billing"}))
    relay = await service.caller("relay", acts_for=frozenset({"app"}), audiences=frozenset())
    seen = [[await is_active(one, token) for token in both(given)] for one in (of_audience, outside, relay)]
    assert seen == [[True, False], [False, False], [True, True]]


@IN_EVERY_FORMAT
async def test_case_25_introspect_writes_nothing(service: Service, app: Caller) -> None:
    """Whatever is asked, one by one or in a batch, by whomever: every row is as it was, and the tokens work."""
    family = await rotated(app, 1)
    tokens = [token for one in family for token in both(one)]
    stranger = await service.caller("stranger", acts_for=frozenset(), audiences=frozenset())
    before = tables_of(service)
    service.clock.advance(seconds=10)
    for caller in (app, stranger):
        for token in (*tokens, tokens[-1][:-1]):
            await introspect(caller, token, audience="billing")
        await caller.BatchIntrospect(pb.BatchIntrospectRequest(tokens=tokens))
    assert tables_of(service) == before
    assert (await refresh(app, family[1].refresh_token)).refresh_token


@IN_EVERY_FORMAT
async def test_case_26_nothing_that_was_seen_alive_outlives_its_end(service: Service, app: Caller) -> None:
    """Seen active to the last millisecond, both tokens are inactive in the next."""
    issued = await issue(app, access_ttl={"seconds": 60})
    for token, seconds in zip(both(issued), (60, 86_340), strict=True):
        service.clock.advance(seconds=seconds, milliseconds=-1)
        assert await is_active(app, token)
        service.clock.advance(milliseconds=1)
        assert not await is_active(app, token)


@IN_EVERY_FORMAT
async def test_case_26_revoked_stays_revoked_after_a_restart(
    service: Service, token_format: RefreshTokenFormat
) -> None:
    """At once, and when everything that is not needed any more was pruned, for as long as the session could live."""
    app = await app_under(service, token_format)
    other = await service.caller("other", policy=policy_of(refresh_token_format=token_format))
    families = {}
    for target, caller in (("token", app), ("device", app), ("subject", app), ("client_id", other)):
        fields = {"subject": target, "device": {"id": "phone"}, "refresh_ttl": {"seconds": 50 * 3600}}
        families[target] = family = await rotated(caller, 1, **fields)
        device = {"subject": target, "device_id": "phone"}
        values = {"token": family[1].refresh_token, "device": device, "subject": target, "client_id": "other"}
        await revoke(app, **{target: values[target]})
    for hours in (49, 0):
        async with second_node(service) as channel:
            there = through(app, channel)
            for target, family in families.items():
                assert await is_dead(there, *family), target
                assert await refused(refresh(there, family[1].refresh_token)) == REVOKED, target
        service.clock.advance(hours=hours)
        await service.store.prune(service.clock(), 1000)


@IN_EVERY_FORMAT
async def test_case_27_a_subject_that_is_created_again_inherits_nothing(service: Service, app: Caller) -> None:
    """Deleted and there again in the same millisecond, or later: the old tokens are dead, the new ones live."""
    for seconds in (0, 60):
        old = await rotated(app, 1)
        await revoke(app, subject="ada", reason="account deleted")
        service.clock.advance(seconds=seconds)
        new = await issue(app)
        assert await is_dead(app, *old)
        assert await refused(refresh(app, old[1].refresh_token)) == REVOKED
        assert all([await is_active(app, token) for token in both(await refresh(app, new.refresh_token))])
