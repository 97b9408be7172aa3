"""Refresh of a session that is bound to a DPoP key: every check of RFC 9449, 4.3, and what follows from each."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.fakes import FakeClock
from tests.harness import Caller, Service, failure, policy_of, running_service
from tests.proofs import METHOD, NOW, URI, Phone, a_phone, dpop
from tests.rpc.faults import second_node, through
from tests.rpc.refresh_formats import IN_EVERY_FORMAT, ON_BOTH_DATABASES, WHERE_A_ROW_COUNTS, Place, app_under, place_on
from tests.rpc.steps import is_active, issue, refresh
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.policy import RefreshTokenFormat

PHONE, OTHER = a_phone(), a_phone()
RSA = a_phone("RS256")
BOUND = {"jkt": PHONE.jkt}
MISMATCH = "BINDING_MISMATCH"
OLD, AHEAD = NOW - 60, NOW + 11


@pytest.fixture
async def place(database: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Place]:
    """Where a service is started and stopped, on the database under test."""
    async with place_on(database, tmp_path / "data", clock) as place:
        yield place


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA", "RS256", "PS256"])
@IN_EVERY_FORMAT
async def test_a_proof_for_each_refresh(service: Service, token_format: RefreshTokenFormat, algorithm: str) -> None:
    """By every algorithm and in every format the phone refreshes, with a new proof each time."""
    phone, app = a_phone(algorithm), await app_under(service, token_format)
    token = (await issue(app, confirmation={"jkt": phone.jkt})).refresh_token
    for _ in range(3):
        refreshed = await refresh(app, token, dpop=dpop(phone.proof()))
        assert refreshed.token_type == "DPoP"
        assert refreshed.refresh_token != token
        assert await is_active(app, refreshed.access_token)
        token = refreshed.refresh_token


def _signed_by_another(phone: Phone) -> str:
    return OTHER.signed(phone.header(), phone.claims())


VIOLATIONS: dict[str, Callable[[], str]] = {
    "1: not one JWT": lambda: f"{PHONE.proof()},{PHONE.proof()}",
    "2: no JWT": lambda: "proof",
    "3: no jti": lambda: PHONE.proof(jti=None),
    "3: no htm": lambda: PHONE.proof(htm=None),
    "3: no htu": lambda: PHONE.proof(htu=None),
    "3: no iat": lambda: PHONE.proof(iat=None),
    "4: another type": lambda: PHONE.signed(PHONE.header(typ="JWT"), PHONE.claims()),
    "4: no type": lambda: PHONE.signed(PHONE.header(typ=None), PHONE.claims()),
    "5: no algorithm": lambda: PHONE.signed(PHONE.header(alg=None), PHONE.claims()),
    "5: alg none": lambda: PHONE.signed(PHONE.header(alg="none"), PHONE.claims()).rpartition(".")[0] + ".",
    "5: a symmetric algorithm": lambda: PHONE.signed(PHONE.header(alg="HS256"), PHONE.claims()),
    "5: another algorithm": lambda: PHONE.signed(PHONE.header(alg="ES384"), PHONE.claims()),
    "6: signed by another key": lambda: _signed_by_another(PHONE),
    "7: a private key": lambda: PHONE.signed(PHONE.header(jwk={**PHONE.jwk, "d": "AQ"}), PHONE.claims()),
    "7: no key": lambda: PHONE.signed(PHONE.header(jwk=None), PHONE.claims()),
    "8: another method": lambda: PHONE.proof(htm="GET"),
    "8: another case": lambda: PHONE.proof(htm="post"),
    "9: another URI": lambda: PHONE.proof(htu="https://bff.test/other"),
    "9: another host": lambda: PHONE.proof(htu="https://evil.test/token"),
    "9: another scheme": lambda: PHONE.proof(htu="http://bff.test/token"),
    "9: no URI": lambda: PHONE.proof(htu="/token"),
    "11: too old": lambda: PHONE.proof(iat=OLD),
    "11: from the future": lambda: PHONE.proof(iat=AHEAD),
    "12: another key": OTHER.proof,
    "12: a key of another kind": RSA.proof,
}


@pytest.mark.parametrize("proof", [pytest.param(make, id=name) for name, make in VIOLATIONS.items()])
async def test_each_check_alone(service: Service, proof: Callable[[], str]) -> None:
    """By the numbers of RFC 9449, 4.3: one thing wrong is enough, nothing is consumed or told, and a good one works."""
    app = await service.caller("app", policy=policy_of(retry_window=0))
    first = (await issue(app, confirmation=BOUND)).refresh_token
    token = (await refresh(app, first, dpop=dpop(PHONE.proof()))).refresh_token
    sessions, log = rows_of(service, "sessions"), rows_of(service, "revocation_log")
    for presented in (token, first):  # nor is the consumed one taken for reuse
        refused = await failure(refresh(app, presented, dpop=dpop(proof())))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, MISMATCH)
        assert refused.fields == ()
    assert rows_of(service, "sessions") == sessions
    assert rows_of(service, "revocation_log") == log
    assert (await refresh(app, token, dpop=dpop(PHONE.proof()))).refresh_token


async def test_all_violations_look_alike(service: Service, bff: Caller) -> None:
    """Code, text and reason are the same for whatever is wrong, for no proof, and for one that was used."""
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    used = PHONE.proof()
    token = (await refresh(bff, token, dpop=dpop(used))).refresh_token
    wrong = [dpop(make()) for make in VIOLATIONS.values()]
    refusals = [await failure(refresh(bff, token, dpop=one)) for one in (*wrong, dpop(used), None)]
    assert len(set(refusals)) == 1


@pytest.mark.parametrize(
    ("method", "uri"),
    [
        (METHOD, "HTTPS://BFF.Test:443/token"),
        (METHOD, f"{URI}?page=1#here"),
        (METHOD, "https://bff.test/a/../%74oken"),
    ],
)
async def test_what_means_the_same_uri_is_the_same(bff: Caller, method: str, uri: str) -> None:
    """Whatever a proxy has made of its spelling (RFC 9449, 4.3, 9)."""
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    token = (await refresh(bff, token, dpop=dpop(PHONE.proof(), method, uri))).refresh_token
    assert (await refresh(bff, token, dpop=dpop(PHONE.proof(htu=uri)))).refresh_token


@pytest.mark.parametrize(("iat", "is_good"), [(OLD + 1, True), (OLD, False), (AHEAD - 1, True), (AHEAD, False)])
async def test_a_proof_is_good_for_a_minute(bff: Caller, iat: int, is_good: bool) -> None:
    """And ten seconds before it was made, by a phone whose clock is ahead."""
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    call = refresh(bff, token, dpop=dpop(PHONE.proof(iat=iat)))
    assert (await call).refresh_token if is_good else (await failure(call)).reason == MISMATCH


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "dpop.proof"),
        ({"method": METHOD, "uri": URI}, "dpop.proof"),
        ({"proof": "a.b.c", "uri": URI}, "dpop.method"),
        ({"proof": "a.b.c", "method": "PO ST", "uri": URI}, "dpop.method"),
        ({"proof": "a.b.c", "method": METHOD}, "dpop.uri"),
        ({"proof": "a.b.c", "method": METHOD, "uri": "/token"}, "dpop.uri"),
    ],
    ids=str,
)
async def test_a_relay_that_leaves_something_out_is_told(
    service: Service, bff: Caller, fields: dict[str, str], field: str
) -> None:
    """It is the BFF's mistake, not the phone's; so it has a reason and a field of its own."""
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    before = tables_of(service)
    refused = await failure(refresh(bff, token, dpop=fields))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", (field,))
    assert tables_of(service) == before


@IN_EVERY_FORMAT
async def test_a_proof_for_what_is_not_bound_is_refused(service: Service, token_format: RefreshTokenFormat) -> None:
    """Who relies on it would believe the tokens bound; nothing is consumed, and without a proof it goes on."""
    app = await app_under(service, token_format)
    token = (await issue(app)).refresh_token
    for proof in (PHONE.proof(), "rubbish"):
        refused = await failure(refresh(app, token, dpop=dpop(proof)))
        assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("dpop",))
    assert (await refresh(app, token)).refresh_token


async def test_a_lost_answer_costs_another_proof(bff: Caller) -> None:
    """The phone asks again with the same refresh token and a new proof, and gets the same successor."""
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    proof = PHONE.proof()
    lost = await refresh(bff, token, dpop=dpop(proof))
    assert (await failure(refresh(bff, token, dpop=dpop(proof)))).reason == MISMATCH
    again = await refresh(bff, token, dpop=dpop(PHONE.proof()))
    assert again.refresh_token == lost.refresh_token
    assert await is_active(bff, lost.access_token)


@WHERE_A_ROW_COUNTS
async def test_reuse_is_caught_of_who_has_the_key(service: Service, token_format: RefreshTokenFormat) -> None:
    """A consumed token under a good proof ends the session, as any other does."""
    app = await app_under(service, token_format, retry_window=0)
    first = (await issue(app, confirmation=BOUND)).refresh_token
    second = await refresh(app, first, dpop=dpop(PHONE.proof()))
    assert (await failure(refresh(app, first, dpop=dpop(PHONE.proof())))).reason == "REFRESH_TOKEN_REUSED"
    assert not await is_active(app, second.access_token)


@ON_BOTH_DATABASES
@IN_EVERY_FORMAT
async def test_a_proof_works_once_of_all_nodes_and_for_all_time(
    place: Place, token_format: RefreshTokenFormat, clock: FakeClock
) -> None:
    """On another node, after a restart, and for another session of the same key."""
    service = await place.start()
    app = await app_under(service, token_format)
    token = (await issue(app, confirmation=BOUND)).refresh_token
    other = (await issue(app, confirmation=BOUND)).refresh_token
    used = PHONE.proof()
    token = (await refresh(app, token, dpop=dpop(used))).refresh_token
    async with second_node(service) as channel:
        for presented in (token, other):
            assert (await failure(refresh(through(app, channel), presented, dpop=dpop(used)))).reason == MISMATCH
    await place.stop()
    service = await place.start()
    app = Caller("app", app.secret, service.channel)
    clock.advance(seconds=59)
    for presented in (token, other):
        assert (await failure(refresh(app, presented, dpop=dpop(used)))).reason == MISMATCH
    assert (await refresh(app, token, dpop=dpop(PHONE.proof()))).refresh_token


async def _twenty(service: Service, app: Caller, calls: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Refresh twenty times at once over two nodes; answer the refresh tokens that were given, and the reasons."""
    async with second_node(service) as channel:
        callers = [app, through(app, channel)] * 10
        answers = await asyncio.gather(
            *(refresh(one, **call) for one, call in zip(callers, calls, strict=True)), return_exceptions=True
        )
    won = [answer.refresh_token for answer in answers if not isinstance(answer, BaseException)]

    async def failing(error: BaseException) -> None:
        raise error

    return won, [(await failure(failing(each))).reason for each in answers if isinstance(each, BaseException)]


@ON_BOTH_DATABASES
@IN_EVERY_FORMAT
async def test_of_twenty_with_one_proof_one_wins(place: Place, token_format: RefreshTokenFormat) -> None:
    """Over two nodes at once: the others have proven nothing, and so trip nothing."""
    service = await place.start()
    app = await app_under(service, token_format)
    token = (await issue(app, confirmation=BOUND)).refresh_token
    proof = dpop(PHONE.proof())
    won, reasons = await _twenty(service, app, [{"token": token, "dpop": proof}] * 20)
    assert (len(won), reasons) == (1, [MISMATCH] * 19)
    assert (await refresh(app, won[0], dpop=dpop(PHONE.proof()))).refresh_token


@ON_BOTH_DATABASES
@WHERE_A_ROW_COUNTS
async def test_twenty_proofs_for_one_token_give_one_successor(place: Place, token_format: RefreshTokenFormat) -> None:
    """Within the retry window, as without keys: nobody is logged out by retrying."""
    service = await place.start()
    app = await app_under(service, token_format)
    token = (await issue(app, confirmation=BOUND)).refresh_token
    won, reasons = await _twenty(service, app, [{"token": token, "dpop": dpop(PHONE.proof())} for _ in range(20)])
    assert (len(won), len(set(won)), reasons) == (20, 1, [])


async def test_used_proofs_are_forgotten_when_they_are_too_old(service: Service, bff: Caller) -> None:
    """What is kept of one is a digest, and that goes by itself."""
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    await refresh(bff, token, dpop=dpop(PHONE.proof(jti="a-name-to-look-for")))
    (kept,) = rows_of(service, "used_ids")
    assert "a-name-to-look-for" not in str(kept)
    service.clock.advance(hours=3)
    await service.store.prune(service.clock(), 1000)
    assert not rows_of(service, "used_ids")


async def test_a_refusal_says_in_the_trail_that_it_was_the_key(service: Service, bff: Caller) -> None:
    """So that who watches can tell a stolen token from a phone that was moved."""
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    await failure(refresh(bff, token, dpop=dpop(OTHER.proof())))
    await service.server._refusals.flush()
    event = rows_of(service, "audit_events")[-1]
    assert (event["type"], event["reason"]) == ("refused", MISMATCH)
    assert '"differs":"key"' in event["details"]


@pytest.fixture
async def strict(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Service]:
    """A service that demands nonces."""
    async with running_service(tmp_path / "strict", clock=clock, dpop_nonce=True) as running:
        yield running


async def _nonce(call: Any) -> tuple[str, str, str]:
    """Of a call that must fail: the reason, the OAuth error beside it, and the nonce that it should have had."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    trailers = dict(refused.value.trailing_metadata() or ())
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details[0].Unpack(info)
    return info.reason, info.metadata.get("error", ""), str(trailers.get("dpop-nonce", ""))


async def test_a_nonce_is_demanded_and_given(strict: Service) -> None:
    """A proof without one is answered with the one to use (RFC 9449, 8); nothing is consumed, the proof included."""
    bff = await strict.caller("bff")
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    before = tables_of(strict)
    for nonce in (None, "x", "A" * 28):
        reason, error, wanted = await _nonce(refresh(bff, token, dpop=dpop(PHONE.proof(nonce=nonce))))
        assert (reason, error) == (MISMATCH, "use_dpop_nonce")
        assert len(wanted) == 28
    assert tables_of(strict) == before
    token = (await refresh(bff, token, dpop=dpop(PHONE.proof(nonce=wanted)))).refresh_token
    strict.clock.advance(minutes=1)
    used = PHONE.proof(nonce=wanted)
    token = (await refresh(bff, token, dpop=dpop(used))).refresh_token
    assert await _nonce(refresh(bff, token, dpop=dpop(used))) == (MISMATCH, "", "")
    strict.clock.advance(minutes=2)
    assert (await _nonce(refresh(bff, token, dpop=dpop(PHONE.proof(nonce=wanted)))))[2] != wanted


async def test_to_be_told_a_nonce_is_no_offence(tmp_path: Path, clock: FakeClock) -> None:
    """However many phones of a BFF need one: nobody is slowed down for it, and the trail does not fill."""
    async with running_service(tmp_path / "slow", clock=clock, dpop_nonce=True, refusal_delay=10) as strict:
        bff = (await strict.caller("bff")).within(3600)
        token = (await issue(bff, confirmation=BOUND)).refresh_token
        async with asyncio.timeout(4):  # who is slowed down waits for five seconds at least
            demands = [_nonce(refresh(bff, token, dpop=dpop(PHONE.proof()))) for _ in range(60)]
            assert {error for _, error, _ in await asyncio.gather(*demands)} == {"use_dpop_nonce"}
        await strict.server._refusals.flush()
        assert not [event for event in rows_of(strict, "audit_events") if event["type"] == "refused"]


@pytest.mark.parametrize("iat", [0, NOW - 86_400, NOW + 86_400])
async def test_with_a_nonce_the_phone_need_not_know_the_time(strict: Service, iat: int) -> None:
    """The nonce says when the proof was made (RFC 9449, 11.1)."""
    bff = await strict.caller("bff")
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    _, _, nonce = await _nonce(refresh(bff, token, dpop=dpop(PHONE.proof(iat=iat))))
    proof = PHONE.proof(iat=iat, nonce=nonce)
    token = (await refresh(bff, token, dpop=dpop(proof))).refresh_token
    assert (await _nonce(refresh(bff, token, dpop=dpop(proof))))[0] == MISMATCH


async def test_a_nonce_is_told_to_who_has_the_key(strict: Service) -> None:
    """Another key's proof is wrong in any case."""
    bff = await strict.caller("bff")
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    for proof in (OTHER.proof(), PHONE.proof(htm="GET"), "rubbish"):
        assert await _nonce(refresh(bff, token, dpop=dpop(proof))) == (MISMATCH, "", "")


async def test_every_node_takes_the_nonces_of_the_others(strict: Service) -> None:
    """Whichever node the phone meets next."""
    bff = await strict.caller("bff")
    token = (await issue(bff, confirmation=BOUND)).refresh_token
    async with second_node(strict) as channel:
        _, _, nonce = await _nonce(refresh(through(bff, channel), token, dpop=dpop(PHONE.proof())))
        assert (await refresh(bff, token, dpop=dpop(PHONE.proof(nonce=nonce)))).refresh_token
