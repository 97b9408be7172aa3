"""Tokens that are bound to a key: how they come about, what they say, and who has to have them (RFC 7800)."""

import base64
import json
from typing import Any

import pytest
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure, policy_of
from tests.proofs import a_phone, dpop
from tests.rpc.refresh_formats import IN_EVERY_FORMAT, app_under
from tests.rpc.steps import introspect, is_active, issue, refresh, session_of
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.policy import RefreshTokenFormat, Rotation, SenderConstraint
from tokensvc.services.clients import OPERATOR

PHONE = a_phone()
X5T = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"  # not canonical
CERTIFICATE = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"
KINDS = pytest.mark.parametrize(
    ("confirmation", "claim", "token_type"),
    [
        ({"jkt": PHONE.jkt}, {"jkt": PHONE.jkt}, "DPoP"),
        ({"x5t_s256": CERTIFICATE}, {"x5t#S256": CERTIFICATE}, "Bearer"),
    ],
    ids=["a DPoP key", "a certificate"],
)


def _claims(access_token: str) -> dict[str, Any]:
    segment = access_token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=="))
    return claims


@KINDS
@IN_EVERY_FORMAT
async def test_what_is_bound_says_so(
    service: Service,
    token_format: RefreshTokenFormat,
    confirmation: dict[str, str],
    claim: dict[str, str],
    token_type: str,
) -> None:
    """In the access token, in the answer, and to whoever asks about either token (RFC 9449, 6; RFC 8705, 3)."""
    app = await app_under(service, token_format)
    issued = await issue(app, confirmation=confirmation)
    assert issued.token_type == token_type
    assert _claims(issued.access_token)["cnf"] == claim
    named = pb.IntrospectResponse(confirmation=confirmation).confirmation
    tokens = [issued.access_token, issued.refresh_token]
    batch = await app.BatchIntrospect(pb.BatchIntrospectRequest(tokens=tokens))
    for shown in ([await introspect(app, token) for token in tokens], batch.results):
        assert [(one.active, one.confirmation, one.token_type) for one in shown] == [
            (True, named, token_type),
            (True, named, ""),
        ]


@KINDS
async def test_an_access_token_alone_can_be_bound(
    service: Service, bff: Caller, confirmation: dict[str, str], claim: dict[str, str], token_type: str
) -> None:
    """It needs no session."""
    issued = await issue(bff, access_only=True, confirmation=confirmation)
    assert (issued.token_type, _claims(issued.access_token)["cnf"]) == (token_type, claim)


@KINDS
async def test_people_and_the_trail_see_it(
    service: Service, bff: Caller, confirmation: dict[str, str], claim: dict[str, str], token_type: str
) -> None:
    """Lists of sessions name the key by its thumbprint, which is no secret; so does the audit trail."""
    issued = await issue(bff, confirmation=confirmation)
    named = sessions_pb.Session(confirmation=confirmation).confirmation
    assert (await session_of(bff, issued.session_id)).confirmation == named
    listed = await bff.ListSessions(sessions_pb.ListSessionsRequest(subject="ada"))
    assert [session.confirmation for session in listed.sessions] == [named]
    (event,) = [event for event in rows_of(service, "audit_events") if event["type"] == "session.issued"]
    assert json.loads(event["details"]) == {"scope": "read write", **claim}


async def test_what_is_not_bound_says_nothing_of_it(service: Service, bff: Caller) -> None:
    """No claim, no confirmation, a bearer token."""
    issued = await issue(bff)
    shown = await introspect(bff, issued.access_token)
    assert "cnf" not in _claims(issued.access_token)
    assert (issued.token_type, shown.token_type, shown.HasField("confirmation")) == ("Bearer", "Bearer", False)
    assert not (await session_of(bff, issued.session_id)).HasField("confirmation")


@pytest.mark.parametrize(
    ("confirmation", "field"),
    [
        ({}, "confirmation"),
        ({"jkt": PHONE.jkt, "x5t_s256": CERTIFICATE}, "confirmation"),
        ({"jkt": "thumbprint"}, "confirmation.jkt"),
        ({"jkt": PHONE.jkt + "="}, "confirmation.jkt"),
        ({"x5t_s256": X5T}, "confirmation.x5t_s256"),
        ({"x5t_s256": "AB:" * 31 + "AB"}, "confirmation.x5t_s256"),
    ],
)
async def test_a_confirmation_that_is_none_is_refused(
    service: Service, bff: Caller, confirmation: dict[str, str], field: str
) -> None:
    """What was to be bound is not issued unbound, nor bound to what nobody can have."""
    before = tables_of(service)
    refused = await failure(issue(bff, confirmation=confirmation))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", (field,))
    assert tables_of(service) == before


async def test_a_caller_cannot_claim_it(bff: Caller) -> None:
    """The claim cnf is the service's own (case 39)."""
    refused = await failure(issue(bff, claims={"cnf": {"jkt": PHONE.jkt}}))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("claims",))


async def test_a_repeated_issue_is_for_the_same_key(bff: Caller) -> None:
    """Who knows the idempotency key of a login does not get its session under a key of its own."""
    key = "login-0123456789"
    issued = await issue(bff, idempotency_key=key, confirmation={"jkt": PHONE.jkt})
    again = await issue(bff, idempotency_key=key, confirmation={"jkt": PHONE.jkt})
    assert (again.refresh_token, again.token_type) == (issued.refresh_token, "DPoP")
    for other in ({"jkt": a_phone().jkt}, {"x5t_s256": CERTIFICATE}, None):
        refused = await failure(issue(bff, idempotency_key=key, confirmation=other))
        assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("idempotency_key",))


POLICIES = pytest.mark.parametrize(
    ("constraint", "fitting", "other"),
    [
        (SenderConstraint.DPOP, {"jkt": PHONE.jkt}, {"x5t_s256": CERTIFICATE}),
        (SenderConstraint.TLS, {"x5t_s256": CERTIFICATE}, {"jkt": PHONE.jkt}),
    ],
    ids=["dpop", "tls"],
)


@POLICIES
@pytest.mark.parametrize("access_only", [False, True], ids=["a session", "an access token alone"])
async def test_a_client_may_have_to_bind_its_tokens(
    service: Service, constraint: SenderConstraint, fitting: dict[str, str], other: dict[str, str], access_only: bool
) -> None:
    """Bearer tokens are what it must never have, nor any by another kind of key."""
    app = await service.caller("app", policy=policy_of(sender_constraint=constraint))
    before = tables_of(service)
    for confirmation in (None, other):
        refused = await failure(issue(app, access_only=access_only, confirmation=confirmation))
        assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("confirmation",))
    assert tables_of(service) == before
    assert (await issue(app, access_only=access_only, confirmation=fitting)).access_token


@POLICIES
@IN_EVERY_FORMAT
async def test_a_client_that_begins_to_bind_refreshes_nothing_unbound(
    service: Service,
    constraint: SenderConstraint,
    fitting: dict[str, str],
    other: dict[str, str],
    token_format: RefreshTokenFormat,
) -> None:
    """Sessions from before are not refreshed, and not ended: they go on when the constraint is given up."""
    app = await app_under(service, token_format)
    tokens = [(await issue(app, confirmation=confirmation)).refresh_token for confirmation in (None, other)]
    await service.clients.update("app", {"token_policy.sender_constraint": constraint}, caller=OPERATOR)
    before = tables_of(service)
    for token in tokens:
        for proof in (None, dpop(PHONE.proof())):
            assert (await failure(refresh(app, token, dpop=proof))).reason == "BINDING_MISMATCH"
        assert not await is_active(app, token)
    changed = {name for name, rows in tables_of(service).items() if rows != before[name]}
    assert changed <= {"used_ids"}
    free = {"token_policy.sender_constraint": SenderConstraint.NONE}
    await service.clients.update("app", free, caller=OPERATOR)
    assert (await refresh(app, tokens[0])).refresh_token


async def test_what_never_rotates_is_bound(service: Service) -> None:
    """With rotation `never` the phone keeps its refresh token, which is of no use without its key."""
    policy = policy_of(rotation=Rotation.NEVER, sender_constraint=SenderConstraint.DPOP)
    app = await service.caller("app", policy=policy)
    token = (await issue(app, confirmation={"jkt": PHONE.jkt})).refresh_token
    for _ in range(3):
        service.clock.advance(seconds=1)
        refreshed = await refresh(app, token, dpop=dpop(PHONE.proof()))
        assert (refreshed.refresh_token, refreshed.token_type) == (token, "DPoP")
        assert (await failure(refresh(app, token, dpop=dpop(a_phone().proof())))).reason == "BINDING_MISMATCH"
    assert (await failure(refresh(app, token))).reason == "BINDING_MISMATCH"


async def test_what_is_bound_to_a_certificate_needs_its_connection(service: Service) -> None:
    """Over a connection without that certificate it is not refreshed (RFC 8705, 4 and 7.1), whatever is said."""
    app = await service.caller("app", policy=policy_of(sender_constraint=SenderConstraint.TLS))
    issued = await issue(app, confirmation={"x5t_s256": CERTIFICATE})
    before = tables_of(service)
    assert (await failure(refresh(app, issued.refresh_token))).reason == "BINDING_MISMATCH"
    refused = await failure(refresh(app, issued.refresh_token, dpop=dpop("a.b.c")))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("dpop",))
    for header in ("x-forwarded-client-cert", "x-ssl-client-cert", "client-cert"):
        metadata = (*app.metadata, (header, CERTIFICATE))
        call = service.channel.unary_unary(
            "/tokensvc.v1.TokenService/Refresh",
            pb.RefreshRequest.SerializeToString,
            pb.RefreshResponse.FromString,
        )(pb.RefreshRequest(refresh_token=issued.refresh_token), metadata=metadata)
        assert (await failure(call)).reason == "BINDING_MISMATCH"
    assert tables_of(service) == before
