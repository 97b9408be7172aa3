"""What Issue answers, and what the access token says."""

import base64
import json
from typing import Any

import jwt
import pytest
from tokensvc_pb.v1 import key_service_pb2, session_service_pb2, token_pb2

from tests.harness import ISSUER, Caller, Service, policy_of
from tests.rpc.steps import introspect, is_active, issue, refresh
from tests.rpc.tables import rows_of

# The tokens live in the tests' own time, so what PyJWT would compare with the real clock is switched off.
_TIMELESS = {"verify_exp": False, "verify_iat": False}


async def _claims(caller: Caller, token: str, audience: str = "api") -> dict[str, Any]:
    jwks = jwt.PyJWKSet.from_json((await caller.GetJwks(key_service_pb2.GetJwksRequest())).jwks)
    key = jwks[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER, audience=audience, options=_TIMELESS)


async def test_the_answer_has_all_that_oauth_names(bff: Caller) -> None:
    """Issue answers type, lifetimes in seconds, scopes and the session beside the two tokens."""
    issued = await issue(bff)
    assert issued.token_type == "Bearer"
    assert issued.expires_in == 300
    assert issued.refresh_expires_in == 30 * 86_400
    assert issued.scopes == ["read", "write"]
    assert len(base64.urlsafe_b64decode(issued.session_id + "==")) == 16
    assert issued.refresh_token.startswith("tsr1_")


async def test_the_revision_is_the_one_of_the_log(service: Service, bff: Caller) -> None:
    """Issue answers the revision of the revocation log that it has seen."""
    head = (await service.store.view()).revision
    assert (await issue(bff)).revision == head > 0


async def test_the_header_names_type_algorithm_and_key_alone(bff: Caller) -> None:
    """The JWT header is at+jwt, ES256 and a kid of the JWKS, with nothing else in it."""
    header = jwt.get_unverified_header((await issue(bff)).access_token)
    jwks = json.loads((await bff.GetJwks(key_service_pb2.GetJwksRequest())).jwks)
    assert header == {"typ": "at+jwt", "alg": "ES256", "kid": jwks["keys"][-1]["kid"]}


async def test_the_claims_are_those_of_an_access_token(service: Service, bff: Caller) -> None:
    """An independent verifier finds every claim that RFC 9068 requires, checked with the published keys."""
    issued = await issue(bff)
    claims = await _claims(bff, issued.access_token)
    now = service.clock() // 1000
    assert (claims["iss"], claims["sub"], claims["client_id"]) == (ISSUER, "ada", "bff")
    assert claims["aud"] == ["api", "billing"]
    assert (claims["iat"], claims["exp"]) == (now, now + 300)
    assert claims["scope"] == "read write"
    assert claims["sid"] == issued.session_id
    assert len(claims["jti"]) >= 16


async def test_no_two_tokens_have_the_same_id(bff: Caller) -> None:
    """Tokens of one moment differ in their jti."""
    tokens = [(await issue(bff)).access_token for _ in range(5)]
    assert len({(await _claims(bff, token))["jti"] for token in tokens}) == 5


async def test_access_only_has_no_session(service: Service, bff: Caller) -> None:
    """An access token alone comes without refresh token and session, and leaves no session row."""
    issued = await issue(bff, access_only=True)
    assert (issued.refresh_token, issued.refresh_expires_in, issued.session_id) == ("", 0, "")
    assert "sid" not in await _claims(bff, issued.access_token)
    assert rows_of(service, "sessions") == []
    assert await is_active(bff, issued.access_token)


async def test_an_empty_wish_is_everything_that_the_policy_allows(service: Service, bff: Caller) -> None:
    """Without scopes and audiences the token has all of the client's policy."""
    await service.public_client("app", policy_of(scopes=("a", "b", "c"), audiences=("one", "two")))
    seen = await introspect(bff, (await issue(bff, client_id="app")).access_token)
    assert (seen.scopes, seen.audiences) == (["a", "b", "c"], ["one", "two"])


async def test_tokens_are_for_the_issuer_where_the_policy_names_no_audience(service: Service, bff: Caller) -> None:
    """A token has to be for somebody (RFC 9068, 3): by default for the service that issues it."""
    await service.public_client("app", policy_of(audiences=()))
    issued = await issue(bff, client_id="app")
    assert (await introspect(bff, issued.access_token)).audiences == [ISSUER]
    refreshed = await refresh(bff, issued.refresh_token, audiences=[ISSUER])
    assert (await introspect(bff, refreshed.access_token)).audiences == [ISSUER]


async def test_a_narrower_wish_is_granted_as_it_is(bff: Caller) -> None:
    """The token has the scopes and audiences asked for, each once and no other."""
    issued = await issue(bff, scopes=["write", "write"], audiences=["billing", "billing"])
    seen = await introspect(bff, issued.access_token)
    assert issued.scopes == seen.scopes == ["write"]
    assert seen.audiences == ["billing"]


async def test_the_caller_is_the_client_unless_one_is_named(service: Service, bff: Caller) -> None:
    """The token is for the caller itself, or for the client that it acts for."""
    await service.public_client("app")
    assert (await introspect(bff, (await issue(bff)).access_token)).client_id == "bff"
    assert (await introspect(bff, (await issue(bff, client_id="app")).access_token)).client_id == "app"


async def test_how_and_where_the_user_logged_in_is_carried(bff: Caller) -> None:
    """Device, auth_time, acr and amr stand in the JWT and in the introspection of both tokens."""
    issued = await issue(
        bff, device={"id": "phone-1"}, auth_time={"seconds": 1_799_999_000}, acr="urn:gold", amr=["pwd", "otp"]
    )
    claims = await _claims(bff, issued.access_token)
    assert (claims["auth_time"], claims["acr"], claims["amr"]) == (1_799_999_000, "urn:gold", ["pwd", "otp"])
    for token in (issued.access_token, issued.refresh_token):
        seen = await introspect(bff, token)
        assert (seen.device_id, seen.acr, seen.amr) == ("phone-1", "urn:gold", ["pwd", "otp"])
        assert seen.auth_time.seconds == 1_799_999_000


async def test_extra_claims_are_carried_to_introspection(bff: Caller) -> None:
    """What the caller adds comes back as it was given, whole numbers as whole numbers."""
    extra = {"tenant": "t1", "level": 3, "ratio": 0.5, "flags": [True, None, "x"], "nested": {"deep": {"deeper": "é"}}}
    issued = await issue(bff, claims=extra)
    claims = await _claims(bff, issued.access_token)
    assert {name: claims[name] for name in extra} == extra
    assert isinstance(claims["level"], int)
    seen = (await introspect(bff, issued.access_token)).claims
    assert dict(seen["nested"]["deep"]) == {"deeper": "é"}
    assert (seen["tenant"], seen["level"], list(seen["flags"])) == ("t1", 3, [True, None, "x"])


@pytest.mark.parametrize("number", [0, -0.0, 0.1, -1, 2**53, 1e22, 1e308, -1.7976931348623157e308, 5e-324])
async def test_a_number_of_any_size_is_carried(bff: Caller, number: float) -> None:
    """Every number that a Struct can hold comes back as the same number."""
    issued = await issue(bff, claims={"number": number})
    assert (await introspect(bff, issued.access_token)).claims["number"] == number
    assert (await _claims(bff, issued.access_token))["number"] == number


async def test_extra_claims_survive_a_refresh(bff: Caller) -> None:
    """The access tokens of later refreshes carry the claims given at Issue."""
    first = await refresh(bff, (await issue(bff, claims={"tenant": "t1"})).refresh_token)
    second = await refresh(bff, first.refresh_token)
    assert (await introspect(bff, second.access_token)).claims["tenant"] == "t1"


async def test_the_session_remembers_device_and_place(bff: Caller) -> None:
    """What Issue was told about device and origin is what SessionService shows."""
    device = token_pb2.Device(id="phone-1", name="Ada's phone", platform="ios")
    context = token_pb2.ClientContext(ip="2001:db8::1", user_agent="App/1.0", location="Lyon, FR")
    issued = await issue(bff, device=device, context=context)
    shown = await bff.GetSession(session_service_pb2.GetSessionRequest(session_id=issued.session_id))
    assert shown.session.device == device
    assert shown.session.context == token_pb2.ClientContext(location="Lyon, FR")
    assert shown.session.last_context == token_pb2.ClientContext(location="Lyon, FR")
