"""What the service offers, one row of docs/features.md each: the shortest story that shows it."""

import base64
import hashlib
import json
import re
from typing import Any

import jwt
import pytest
from tokensvc_pb.v1 import audit_service_pb2 as audit_pb
from tokensvc_pb.v1 import client_service_pb2 as clients_pb
from tokensvc_pb.v1 import key_service_pb2, token_pb2
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb

from tests.harness import ISSUER, Caller, Service, failure, policy_of
from tests.proofs import a_phone, dpop
from tests.rpc.steps import exchange, introspect, is_active, issue, refresh, revoke
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.client import Permission
from tokensvc.domain.policy import (
    DAY,
    HOUR,
    SECOND,
    BindingAction,
    BindingPolicy,
    ExchangePolicy,
    RefreshTokenFormat,
    Rotation,
)
from tokensvc.domain.revocation import EntryKind

HOME = {"ip": "192.0.2.7", "user_agent": "App/3.1 (Android 15)"}
AWAY = {"ip": "198.51.100.7", "user_agent": "App/3.1 (Android 15)"}


async def _app(service: Service, **policy: Any) -> Caller:
    return await service.caller("app", policy=policy_of(**policy))


def _part(token: str, number: int) -> dict[str, Any]:
    segment = token.split(".")[number]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return decoded


def _forms(secret: bytes) -> list[str]:
    """How bytes may stand in a table that is printed."""
    return [repr(secret)[2:-1], secret.hex(), base64.urlsafe_b64encode(secret).rstrip(b"=").decode()]


def _denied(service: Service) -> list[Any]:
    """The entries of the log that end one access token."""
    return [row for row in rows_of(service, "revocation_log") if row["kind"] == EntryKind.TOKEN]


async def test_row_01_token_pair(bff: Caller) -> None:
    """Issue answers a short-lived access token and a long-lived refresh token with their lifetimes."""
    issued = await issue(bff)
    assert issued.access_token
    assert issued.refresh_token
    assert issued.expires_in < issued.refresh_expires_in


async def test_row_02_access_token(bff: Caller) -> None:
    """It is a JWT of type at+jwt that anybody can verify with the published keys."""
    token = (await issue(bff)).access_token
    keys = (await bff.GetJwks(key_service_pb2.GetJwksRequest())).jwks
    header = jwt.get_unverified_header(token)
    key = jwt.PyJWKSet.from_json(keys)[header["kid"]]
    options: Any = {"verify_iat": False, "verify_exp": False}
    claims = jwt.decode(token, key.key, algorithms=["ES256"], audience="api", issuer=ISSUER, options=options)
    assert (header["typ"], header["alg"], claims["sub"], claims["client_id"]) == ("at+jwt", "ES256", "ada", "bff")


async def test_row_03_refresh_token_opaque(service: Service, bff: Caller) -> None:
    """It has a prefix that scanners find; of its secret handle the database has a hash, of its seal nothing."""
    token = (await refresh(bff, (await issue(bff)).refresh_token)).refresh_token
    assert re.fullmatch(r"tsr1_[A-Za-z0-9_-]{50}", token)
    body = base64.urlsafe_b64decode(token[5:] + "==")
    handle, seal = body[1:17], body[21:37]
    hashed = hashlib.sha256(handle).digest()[:16]
    kept = repr(tables_of(service))
    assert [any(form in kept for form in _forms(part)) for part in (hashed, handle, seal)] == [True, False, False]


async def test_row_04_refresh_token_jwt(service: Service) -> None:
    """As a policy of the client it is a JWT of type rt+jwt, which is never taken for an access token."""
    app = await _app(service, refresh_token_format=RefreshTokenFormat.JWT)
    issued = await issue(app)
    assert _part(issued.refresh_token, 0)["typ"] == "rt+jwt"
    assert (await introspect(app, issued.refresh_token)).token_use == token_pb2.TOKEN_USE_REFRESH
    keys = jwt.PyJWKSet.from_json((await app.GetJwks(key_service_pb2.GetJwksRequest())).jwks)
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(issued.refresh_token, keys.keys[0].key, algorithms=["ES256"])


async def test_row_05_refresh_token_stateless(service: Service) -> None:
    """As a policy of the client it says everything itself: no session row, and no reuse detection."""
    app = await _app(service, refresh_token_format=RefreshTokenFormat.STATELESS_JWT)
    token = (await issue(app)).refresh_token
    for _ in range(2):
        await refresh(app, token)
    assert tables_of(service)["sessions"] == []


async def test_row_06_one_session_per_app_and_device(bff: Caller) -> None:
    """Losing a phone ends that phone's session and no other."""
    phone, tablet = [await issue(bff, device={"id": name}) for name in ("phone", "tablet")]
    await revoke(bff, device={"subject": "ada", "device_id": "phone"})
    assert not await is_active(bff, phone.refresh_token)
    assert await is_active(bff, tablet.refresh_token)


async def test_row_07_allowlist(bff: Caller) -> None:
    """A refresh token lives only while its session row does."""
    issued = await issue(bff)
    await revoke(bff, session_id=issued.session_id)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"


async def test_row_08_denylist(service: Service, bff: Caller) -> None:
    """One access token is revoked until it would have expired; then its entry goes."""
    issued = await issue(bff)
    await revoke(bff, token=issued.access_token)
    assert not await is_active(bff, issued.access_token)
    assert await is_active(bff, (await refresh(bff, issued.refresh_token)).access_token)
    assert len(_denied(service)) == 1
    service.clock.advance(days=1)
    await service.store.prune(service.clock(), 1000)
    assert not _denied(service)


async def test_row_09_issued_at_cut_off(service: Service, bff: Caller) -> None:
    """Everything of a subject that began before a moment ends, with one entry however much that is."""
    before = [await issue(bff) for _ in range(3)]
    service.clock.advance(seconds=10)
    moment = service.clock() // 1000
    after = await issue(bff)
    entries = len(rows_of(service, "revocation_log"))
    await revoke(bff, subject="ada", issued_before={"seconds": moment})
    assert len(rows_of(service, "revocation_log")) == entries + 1
    assert [await is_active(bff, one.access_token) for one in (*before, after)] == [False, False, False, True]


async def test_row_10_credential_version(bff: Caller) -> None:
    """After a password change the sessions of before fail."""
    issued = await issue(bff, credential_version="v1")
    assert (await failure(refresh(bff, issued.refresh_token, credential_version="v2"))).reason == "CREDENTIAL_CHANGED"


async def test_row_11_short_lived_profile(service: Service) -> None:
    """Lifetimes go down to seconds, for a client and for one Issue, and never beyond the policy."""
    app = await _app(service, access_ttl=30 * SECOND)
    assert (await issue(app)).expires_in == 30
    assert (await issue(app, access_ttl={"seconds": 5})).expires_in == 5
    assert (await issue(app, access_ttl={"seconds": 500})).expires_in == 30


async def test_row_12_narrower_scope(bff: Caller) -> None:
    """Refresh may ask for less, never for more; the refresh token keeps its whole grant."""
    issued = await issue(bff, scopes=["read", "write"])
    less = await refresh(bff, issued.refresh_token, scopes=["read"])
    assert list((await introspect(bff, less.access_token)).scopes) == ["read"]
    assert list((await refresh(bff, less.refresh_token)).scopes) == ["read", "write"]


async def test_row_13_client_authentication_on_refresh(service: Service, bff: Caller) -> None:
    """Who refreshes proves who it is, and may act for the token's client; a stranger changes nothing."""
    issued = await issue(bff)
    stranger = await service.caller("stranger", acts_for=frozenset())
    assert (await failure(refresh(stranger, issued.refresh_token))).reason == "CLIENT_MISMATCH"
    nobody = Caller("bff", "wrong", service.channel)
    assert (await failure(refresh(nobody, issued.refresh_token))).reason == "CALLER_UNAUTHENTICATED"
    await refresh(bff, issued.refresh_token)


async def test_row_14_rotation_always(service: Service) -> None:
    """Each refresh gives a new refresh token and ends the old one at once."""
    app = await _app(service, rotation=Rotation.ALWAYS)
    issued = await issue(app)
    assert (await refresh(app, issued.refresh_token)).refresh_token != issued.refresh_token
    assert (await failure(refresh(app, issued.refresh_token))).reason == "REFRESH_TOKEN_REUSED"


async def test_row_15_rotation_graceful(bff: Caller) -> None:
    """A lost response costs nobody a login: the retry gets the same successor."""
    issued = await issue(bff)
    first, again = [await refresh(bff, issued.refresh_token) for _ in range(2)]
    assert first.refresh_token == again.refresh_token != issued.refresh_token


async def test_row_16_rotation_periodic(service: Service) -> None:
    """The token stays until the last rotation is older than an interval."""
    app = await _app(service, rotation=Rotation.PERIODIC, rotation_interval=HOUR)
    token = (await issue(app)).refresh_token
    assert (await refresh(app, token)).refresh_token == token
    service.clock.advance(hours=1)
    assert (await refresh(app, token)).refresh_token != token


async def test_row_17_rotation_selective(service: Service) -> None:
    """The token stays until there is a sign of risk."""
    app = await _app(service, rotation=Rotation.SELECTIVE)
    token = (await issue(app, context=HOME)).refresh_token
    assert (await refresh(app, token, context=HOME)).refresh_token == token
    assert (await refresh(app, token, context=AWAY)).refresh_token != token


async def test_row_18_rotation_never(service: Service) -> None:
    """For clients whose tokens are bound to a key alone: others are not registered with it."""
    operator = await service.caller("operator", permissions=frozenset(Permission))
    policy: Any = {"rotation": clients_pb.ROTATION_POLICY_NEVER, "scopes": ["read"]}
    client: Any = {"client_id": "bound", "type": clients_pb.CLIENT_TYPE_PUBLIC, "token_policy": policy}
    refused = await failure(operator.CreateClient(clients_pb.CreateClientRequest(client=client)))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("client.token_policy.rotation",))
    policy["sender_constraint"] = clients_pb.SENDER_CONSTRAINT_DPOP
    await operator.CreateClient(clients_pb.CreateClientRequest(client=client))
    assert (await failure(issue(operator, client_id="bound"))).fields == ("confirmation",)
    phone = a_phone()
    token = (await issue(operator, client_id="bound", confirmation={"jkt": phone.jkt})).refresh_token
    for _ in range(2):
        assert (await refresh(operator, token, dpop=dpop(phone.proof()))).refresh_token == token
    assert (await failure(refresh(operator, token))).reason == "BINDING_MISMATCH"


async def test_row_19_token_versioning(service: Service, bff: Caller) -> None:
    """Format and key stand in every token, so what is newer comes without ending sessions."""
    opaque = (await issue(bff)).refresh_token
    assert base64.urlsafe_b64decode(opaque[5:] + "==")[0] == 1
    app = await _app(service, refresh_token_format=RefreshTokenFormat.JWT)
    issued = await issue(app)
    assert _part(issued.refresh_token, 0)["kid"] == "1"
    assert _part(issued.access_token, 0)["kid"]


async def test_row_20_reuse_detection(bff: Caller) -> None:
    """An old generation ends the whole family, access tokens included; other sessions live."""
    issued, other = await issue(bff), await issue(bff)
    second = await refresh(bff, issued.refresh_token)
    third = await refresh(bff, second.refresh_token)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "REFRESH_TOKEN_REUSED"
    assert not await is_active(bff, third.access_token)
    assert not await is_active(bff, third.refresh_token)
    assert await is_active(bff, other.access_token)


async def test_row_21_binding_to_the_context(service: Service) -> None:
    """Device, network and app are ignored, noted or insisted on, as the policy says."""
    binding = BindingPolicy(device=BindingAction.REJECT, user_agent=BindingAction.AUDIT)
    app = await _app(service, binding=binding)
    token = (await issue(app, context=HOME, device={"id": "phone"})).refresh_token
    other = {"user_agent": "Browser/1"}
    assert (await failure(refresh(app, token, context=HOME, device_id="other"))).reason == "BINDING_MISMATCH"
    await refresh(app, token, context=other, device_id="phone")
    assert rows_of(service, "audit_events")[-1]["type"] == "session.binding_differed"


async def test_row_22_proof_of_possession(bff: Caller) -> None:
    """What is bound to the phone's key is of no use to who lacks it, and bound to a certificate likewise."""
    phone, thief = a_phone(), a_phone()
    issued = await issue(bff, confirmation={"jkt": phone.jkt})
    for proof in (None, dpop(thief.proof())):
        assert (await failure(refresh(bff, issued.refresh_token, dpop=proof))).reason == "BINDING_MISMATCH"
    refreshed = await refresh(bff, issued.refresh_token, dpop=dpop(phone.proof()))
    assert refreshed.token_type == "DPoP"
    proof = dpop(thief.proof_with(refreshed.access_token))
    assert not (await introspect(bff, refreshed.access_token, dpop=proof)).active
    proof = dpop(phone.proof_with(refreshed.access_token))
    shown = await introspect(bff, refreshed.access_token, dpop=proof)
    assert (shown.active, shown.confirmation.jkt) == (True, phone.jkt)
    assert not (await introspect(bff, refreshed.access_token, dpop=proof)).active
    issued = await issue(bff, confirmation={"x5t_s256": phone.jkt})
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "BINDING_MISMATCH"


async def test_row_23_idle_and_absolute_lifetime(service: Service) -> None:
    """A session dies unused after one, and whatever happens after the other."""
    app = await _app(service, refresh_idle_ttl=DAY, refresh_absolute_ttl=3 * DAY)
    unused = (await issue(app)).refresh_token
    used = (await issue(app)).refresh_token
    for _ in range(3):
        service.clock.advance(hours=23)
        used = (await refresh(app, used)).refresh_token
    assert (await failure(refresh(app, unused))).reason == "REFRESH_TOKEN_EXPIRED"
    service.clock.advance(hours=4)
    assert (await failure(refresh(app, used))).reason == "REFRESH_TOKEN_EXPIRED"


@pytest.mark.parametrize("reason", ["logout", "password changed", "account closed"])
async def test_row_24_logout_password_change_deactivation(bff: Caller, reason: str) -> None:
    """Revoke takes the reason along; Refresh and Introspect follow at once."""
    issued = await issue(bff)
    await revoke(bff, subject="ada", reason=reason)
    assert not await is_active(bff, issued.access_token)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"
    listed = await bff.ListSessions(sessions_pb.ListSessionsRequest(subject="ada"))
    assert not listed.sessions


async def test_row_25_audit(service: Service, bff: Caller) -> None:
    """What happens stands in the trail with who, what, when and from where; so do refusals and administrative acts."""
    auditor = await service.caller("auditor", permissions=frozenset(Permission))
    issued = await issue(bff, context=HOME)
    second = await refresh(bff, issued.refresh_token, context=AWAY)
    await refresh(bff, second.refresh_token)
    await failure(refresh(bff, issued.refresh_token, context=AWAY))
    answer = await auditor.ListAuditEvents(audit_pb.ListAuditEventsRequest(filter={"session_id": issued.session_id}))
    assert [(event.type, event.ip) for event in answer.events] == [
        ("session.reuse_detected", AWAY["ip"]),
        ("session.refreshed", ""),
        ("session.refreshed", AWAY["ip"]),
        ("session.issued", HOME["ip"]),
    ]
    assert all(event.chain_hash and event.caller == "bff" for event in answer.events)
    await failure(refresh(bff, second.refresh_token, context=HOME))
    await service.server._refusals.flush()
    change: Any = {"client": {"client_id": "bff", "name": "Shop"}, "update_mask": {"paths": ["name"]}}
    await auditor.UpdateClient(clients_pb.UpdateClientRequest(**change))
    answer = await auditor.ListAuditEvents(audit_pb.ListAuditEventsRequest(filter={"client_id": "bff"}, page_size=2))
    assert [(event.type, event.caller, event.subject, event.reason, event.ip) for event in answer.events] == [
        ("client.updated", "auditor", "", "", ""),
        ("refused", "bff", "ada", "REFRESH_TOKEN_REUSED", HOME["ip"]),
    ]


async def test_row_32_token_exchange(service: Service, bff: Caller) -> None:
    """An internal service trades a token for a narrower one for the next service, which says who acts for whom."""
    policy = ExchangePolicy(subject_clients=frozenset({"bff"}), audiences=frozenset({"ledger"}))
    orders = await service.caller("orders", acts_for=frozenset(), exchange_policy=policy)
    ledger = await service.caller("ledger", acts_for=frozenset(), audiences=frozenset({"ledger"}))
    issued = await issue(bff)
    traded = await exchange(orders, issued.access_token, scopes=["read"], access_ttl={"seconds": 30})
    seen = await introspect(ledger, traded.access_token)
    assert (seen.subject, list(seen.scopes), list(seen.audiences)) == ("ada", ["read"], ["ledger"])
    assert (seen.actor["sub"], traded.expires_in) == ("orders", 30)
    await revoke(bff, session_id=issued.session_id)
    assert not await is_active(ledger, traded.access_token)
