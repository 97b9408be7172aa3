"""Introspect with the proof that came with an access token (RFC 9449, 7): what is wrong makes it inactive."""

from collections.abc import Callable

import grpc
import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.proofs import METHOD, NOW, URI, a_phone, dpop
from tests.rpc.faults import FailingStore, second_node, server_over, through
from tests.rpc.refresh_formats import IN_EVERY_FORMAT, app_under
from tests.rpc.steps import introspect, is_active, issue, revoke
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.dpop_proof import hash_of
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import RefreshTokenFormat

PHONE, OTHER = a_phone(), a_phone()
BOUND = {"jkt": PHONE.jkt}
INACTIVE = pb.IntrospectResponse()


async def test_a_good_proof_is_told_like_none(bff: Caller) -> None:
    """With the proof of the token's own phone the answer is what it is without one."""
    token = (await issue(bff, confirmation=BOUND)).access_token
    plain = await introspect(bff, token)
    assert plain.active
    assert await introspect(bff, token, dpop=dpop(PHONE.proof_with(token))) == plain
    assert await introspect(bff, token, required_scopes=["read"], dpop=dpop(PHONE.proof_with(token))) == plain
    assert await introspect(bff, token, required_scopes=["pay"], dpop=dpop(PHONE.proof_with(token))) == INACTIVE


VIOLATIONS: dict[str, Callable[[str], str]] = {
    "no JWT": lambda _token: "proof",
    "another type": lambda token: PHONE.signed(PHONE.header(typ="JWT"), PHONE.claims(ath=hash_of(token))),
    "another algorithm": lambda token: PHONE.signed(PHONE.header(alg="ES384"), PHONE.claims(ath=hash_of(token))),
    "signed by another key": lambda token: OTHER.signed(PHONE.header(), PHONE.claims(ath=hash_of(token))),
    "another key": OTHER.proof_with,
    "another method": lambda token: PHONE.proof_with(token, htm="GET"),
    "another URI": lambda token: PHONE.proof_with(token, htu="https://bff.test/other"),
    "too old": lambda token: PHONE.proof_with(token, iat=NOW - 60),
    "from the future": lambda token: PHONE.proof_with(token, iat=NOW + 11),
    "no hash": lambda _token: PHONE.proof(),
    "for another token": lambda token: PHONE.proof_with(token + "x"),
    "for the hash as text": lambda token: PHONE.proof(ath=token),
}


@pytest.mark.parametrize("proof", [pytest.param(make, id=name) for name, make in VIOLATIONS.items()])
async def test_each_check_alone(service: Service, bff: Caller, proof: Callable[[str], str]) -> None:
    """The answer is the one for every cause (case 23), and nothing is written."""
    token = (await issue(bff, confirmation=BOUND)).access_token
    before = tables_of(service)
    assert await introspect(bff, token, dpop=dpop(proof(token))) == INACTIVE
    assert tables_of(service) == before
    assert await is_active(bff, token, dpop=dpop(PHONE.proof_with(token)))


async def test_a_proof_works_once(service: Service, bff: Caller) -> None:
    """On every node; and what a Refresh has used, too."""
    token = (await issue(bff, confirmation=BOUND)).access_token
    proof = dpop(PHONE.proof_with(token))
    assert await is_active(bff, token, dpop=proof)
    async with second_node(service) as channel:
        assert not await is_active(through(bff, channel), token, dpop=proof)
    assert not await is_active(bff, token, dpop=proof)
    assert len(rows_of(service, "used_ids")) == 1


@pytest.mark.parametrize("confirmation", [None, {"x5t_s256": PHONE.jkt}], ids=["nothing", "a certificate"])
async def test_a_token_that_is_not_bound_to_a_key_has_no_proof(
    service: Service, bff: Caller, confirmation: dict[str, str] | None
) -> None:
    """Who presents one with a proof claims what is not so (RFC 9449, 7.1)."""
    token = (await issue(bff, confirmation=confirmation)).access_token
    before = tables_of(service)
    assert await introspect(bff, token, dpop=dpop(PHONE.proof_with(token))) == INACTIVE
    assert await is_active(bff, token)
    assert tables_of(service) == before


@IN_EVERY_FORMAT
async def test_a_refresh_token_is_not_presented_with_a_proof(
    service: Service, token_format: RefreshTokenFormat
) -> None:
    """Nobody but this service takes refresh tokens."""
    app = await app_under(service, token_format)
    token = (await issue(app, confirmation=BOUND)).refresh_token
    assert await is_active(app, token)
    assert not await is_active(app, token, dpop=dpop(PHONE.proof_with(token)))


async def test_what_is_inactive_uses_no_proof_up(service: Service, bff: Caller) -> None:
    """Not even a look at the database is added for it (case 25)."""
    issued = await issue(bff, confirmation=BOUND)
    await revoke(bff, session_id=issued.session_id)
    before = tables_of(service)
    for token in (issued.access_token, "rubbish"):
        assert await introspect(bff, token, dpop=dpop(PHONE.proof_with(token))) == INACTIVE
    assert tables_of(service) == before


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "dpop.proof"),
        ({"proof": "a.b.c", "uri": URI}, "dpop.method"),
        ({"proof": "a.b.c", "method": METHOD, "uri": "token"}, "dpop.uri"),
    ],
    ids=str,
)
async def test_a_service_that_leaves_something_out_is_told(bff: Caller, fields: dict[str, str], field: str) -> None:
    """Else all its users would seem to have bad proofs."""
    refused = await failure(introspect(bff, (await issue(bff)).access_token, dpop=fields))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", (field,))


async def test_the_permission_is_asked_for_first(service: Service) -> None:
    """Who may not introspect learns nothing of its request either."""
    stranger = await service.caller("stranger", permissions=frozenset())
    for fields in ({}, dpop("a.b.c")):
        assert (await failure(introspect(stranger, "token", dpop=fields))).reason == "CALLER_NOT_PERMITTED"


async def test_a_proof_that_cannot_be_kept_is_not_taken(service: Service, bff: Caller) -> None:
    """Where it cannot be written that it was used, the call fails and says nothing of the token (case 20)."""
    token = (await issue(bff, confirmation=BOUND)).access_token
    outage = RefusedError(Reason.STORE_UNAVAILABLE, "the database is gone")
    async with server_over(service, FailingStore(service.store, outage, "commit")) as channel:
        refused = await failure(introspect(through(bff, channel), token, dpop=dpop(PHONE.proof_with(token))))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert await is_active(through(bff, channel), token)
