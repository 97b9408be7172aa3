"""Exchange: what is given, to whom, and what is refused."""

import json
from typing import Any

import jwt
import pytest
from tokensvc_pb.v1 import client_service_pb2 as clients_pb
from tokensvc_pb.v1 import key_service_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import ISSUER, Caller, Failure, Service, failure, policy_of
from tests.rpc.exchanges import Company, policy_for, service_of
from tests.rpc.steps import exchange, introspect, issue, refresh
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.client import Permission
from tokensvc.domain.policy import MINUTE, SECOND, RefreshTokenFormat, SenderConstraint


async def refused(service: Service, call: Any) -> Failure:
    """How a call fails that must fail and write nothing."""
    before = tables_of(service)
    said = await failure(call)
    assert tables_of(service) == before
    return said


def invalid_token(said: Failure) -> bool:
    """Whether the refusal is the one that every bad token gets."""
    text = "the subject token or the actor token is not good for this exchange"
    return said == Failure(said.code, text, "SUBJECT_TOKEN_INVALID", ()) and said.code.name == "UNAUTHENTICATED"


async def test_the_new_token_is_for_the_next_service(service: Service, company: Company, reader: Caller) -> None:
    """It speaks for the same subject in the same session, is the caller's, and says that the caller acts."""
    issued = await issue(company.app, device={"id": "phone"}, acr="high", amr=["pwd"], auth_time={"seconds": 1_799_999})
    traded = await exchange(company.orders, issued.access_token, scopes=["read"])
    assert (traded.token_type, list(traded.scopes), traded.session_id) == ("Bearer", ["read"], issued.session_id)
    assert traded.revision == (await service.store.view()).revision
    before, after = [await introspect(reader, token) for token in (issued.access_token, traded.access_token)]
    assert (after.client_id, list(after.audiences), list(after.scopes)) == ("orders", ["ledger"], ["read"])
    assert dict(after.actor) == {"sub": "orders", "client_id": "orders"}
    assert not before.HasField("actor")
    for field in ("subject", "session_id", "device_id", "acr", "amr", "auth_time", "issuer", "token_use"):
        assert getattr(after, field) == getattr(before, field), field
    assert after.token_id != before.token_id


async def test_it_is_verified_offline_like_any_other(company: Company) -> None:
    """Any JWT library does it with the published keys; it has the claims of RFC 9068 and `act`."""
    token = await company.token()
    traded = (await exchange(company.orders, token)).access_token
    keys = json.loads((await company.orders.GetJwks(key_service_pb2.GetJwksRequest())).jwks)["keys"]
    options: Any = {"verify_iat": False, "verify_exp": False}
    claims = jwt.decode(traded, jwt.PyJWK(keys[0]).key, ["ES256"], audience="ledger", issuer=ISSUER, options=options)
    first = jwt.decode(token, options={"verify_signature": False})
    assert jwt.get_unverified_header(traded)["typ"] == "at+jwt"
    assert (claims["sub"], claims["client_id"], claims["act"]["sub"]) == ("ada", "orders", "orders")
    assert {name: claims[name] for name in ("sid", "orig_iat", "rev")} == {
        name: first[name] for name in ("sid", "orig_iat", "rev")
    }


async def test_the_next_service_finds_it_active_and_the_one_before_does_not(company: Company) -> None:
    """It is good where it is meant for, and for who has it; not for the app, nor with the first token's audience."""
    traded = (await exchange(company.orders, await company.token())).access_token
    assert (await introspect(company.ledger, traded, audience="ledger")).active
    assert (await introspect(company.orders, traded)).active
    assert not (await introspect(company.ledger, traded, audience="orders")).active
    assert not (await introspect(company.bot, traded)).active


async def test_claims_come_along(company: Company, reader: Caller) -> None:
    """What the login service has said of the subject is as true for the next service."""
    traded = await exchange(company.orders, await company.token(claims={"tenant": "acme"}))
    assert dict((await introspect(reader, traded.access_token)).claims) == {"tenant": "acme"}


async def test_without_a_wish_all_scopes_come_along_that_the_policy_allows(service: Service, company: Company) -> None:
    """All of the token's where the policy names none, those that both name where it does."""
    token = await company.token()
    assert list((await exchange(company.orders, token)).scopes) == ["read", "write"]
    narrow = policy_for("ledger", scopes=("write", "admin"))
    caller = await service_of(service, "narrow", exchange_policy=narrow, audiences=frozenset({"orders"}))
    assert list((await exchange(caller, token)).scopes) == ["write"]


@pytest.mark.parametrize(
    ("wish", "reason", "field"),
    [
        ({"audiences": ["orders"]}, "INVALID_AUDIENCE", "audiences"),
        ({"audiences": ["ledger", "mail"]}, "INVALID_AUDIENCE", "audiences"),
        ({"audiences": []}, "INVALID_REQUEST", "audiences"),
        ({"audiences": ["a b"]}, "INVALID_REQUEST", "audiences"),
        ({"scopes": ["admin"]}, "INVALID_SCOPE", "scopes"),
        ({"scopes": ["read", "delete"]}, "INVALID_SCOPE", "scopes"),
        ({"scopes": ["a b"]}, "INVALID_REQUEST", "scopes"),
        ({"access_ttl": {"seconds": 0}}, "INVALID_REQUEST", "access_ttl"),
        ({"access_ttl": {"seconds": -5}}, "INVALID_REQUEST", "access_ttl"),
        ({"subject_token": ""}, "INVALID_REQUEST", "subject_token"),
    ],
    ids=str,
)
async def test_a_wish_that_goes_too_far_is_refused_by_name(
    service: Service, company: Company, wish: dict[str, Any], reason: str, field: str
) -> None:
    """Beyond the policy or the token, or malformed: the field is named, and nothing is written.

    The token's own audience is no exception: a token for it is what the caller has.
    """
    fields = {"subject_token": await company.token(), "audiences": ["ledger"], **wish}
    said = await refused(service, company.orders.Exchange(pb.ExchangeRequest(**fields)))
    assert (said.code.name, said.reason, said.fields) == ("INVALID_ARGUMENT", reason, (field,))


@pytest.mark.parametrize("scopes", [(), ("read",)], ids=str)
async def test_a_scope_beyond_the_policy_is_refused(
    service: Service, company: Company, scopes: tuple[str, ...]
) -> None:
    """The token has it, and the policy allows it or not."""
    narrow = {"exchange_policy": policy_for("ledger", scopes=scopes), "audiences": frozenset({"orders"})}
    caller = await service_of(service, "narrow", **narrow)
    call = exchange(caller, await company.token(), scopes=["write"])
    if scopes:
        assert (await refused(service, call)).reason == "INVALID_SCOPE"
    else:
        assert list((await call).scopes) == ["write"]


async def test_a_caller_without_a_policy_trades_nothing(service: Service, company: Company) -> None:
    """The permission alone is not enough, and that is said, whatever the token is."""
    caller = await service_of(service, "bare", exchange_policy=policy_for(clients=()), audiences=frozenset({"orders"}))
    for token in (await company.token(), "nonsense"):
        said = await refused(service, exchange(caller, token))
        assert (said.code.name, said.reason) == ("PERMISSION_DENIED", "CALLER_NOT_PERMITTED")
        assert "exchange_policy" in said.message


async def test_a_client_whose_tokens_must_be_bound_gets_none(service: Service, company: Company) -> None:
    """A bearer token is what it must never have."""
    policy = policy_of(sender_constraint=SenderConstraint.DPOP)
    caller = await service_of(service, "bound", "ledger", policy=policy, audiences=frozenset({"orders"}))
    assert (await refused(service, exchange(caller, await company.token()))).reason == "CALLER_NOT_PERMITTED"


async def _others_audience(service: Service, company: Company) -> tuple[Caller, str]:
    """The caller is neither of the token's audience nor may act for its client: as it would be with a stolen one."""
    return await service_of(service, "thief", "ledger"), await company.token()


async def _others_client(service: Service, company: Company) -> tuple[Caller, str]:
    """The caller's policy does not name the token's client."""
    policy = policy_for("ledger", clients=("web", "orders"))
    caller = await service_of(service, "others", exchange_policy=policy, audiences=frozenset({"orders"}))
    return caller, await company.token()


async def _refresh_token(_: Service, company: Company) -> tuple[Caller, str]:
    return company.orders, (await issue(company.app)).refresh_token


async def _refresh_jwt(service: Service, company: Company) -> tuple[Caller, str]:
    policy = policy_of(refresh_token_format=RefreshTokenFormat.JWT, audiences=("orders",))
    return company.orders, (await issue(await service.caller("tv", policy=policy))).refresh_token


async def _tampered(_: Service, company: Company) -> tuple[Caller, str]:
    token = await company.token()
    return company.orders, token[:-8] + ("AAAAAAAA" if token[-8:] != "AAAAAAAA" else "BBBBBBBB")


async def _nonsense(_: Service, company: Company) -> tuple[Caller, str]:
    return company.orders, "nonsense"


async def _bound(service: Service, company: Company) -> tuple[Caller, str]:
    """It needs a proof that the caller cannot give."""
    return company.orders, await _with_claims(service, company, {"cnf": {"jkt": "thumbprint"}})


async def _last_moment(service: Service, company: Company) -> tuple[Caller, str]:
    """Less than a second is left of it, and no token lives shorter."""
    token = await company.token()
    service.clock.advance(seconds=299.001)
    return company.orders, token


async def _with_claims(service: Service, company: Company, claims: dict[str, Any]) -> str:
    """A token of the app with claims that nobody can give it."""
    token = service.keys.access_tokens.verify(await company.token())
    assert token is not None
    fields = {name: getattr(token, name) for name in AccessToken.__dataclass_fields__}
    return service.keys.access_tokens.sign(AccessToken(**fields | {"claims": claims}))


@pytest.mark.parametrize(
    "bad",
    [_others_audience, _others_client, _refresh_token, _refresh_jwt, _tampered, _nonsense, _bound, _last_moment],
    ids=lambda bad: bad.__name__.strip("_"),
)
async def test_a_token_that_is_not_good_is_refused_alike(service: Service, company: Company, bad: Any) -> None:
    """What is wrong with it is not said: one code, one reason, one text for everything, and nothing is written."""
    caller, token = await bad(service, company)
    assert invalid_token(await refused(service, exchange(caller, token)))


async def test_who_may_act_for_the_client_may_trade_its_token(service: Service, company: Company) -> None:
    """A BFF that relays the app is no audience of its tokens, and is as trusted with them."""
    relay = await service_of(service, "relay", "ledger", acts_for=frozenset({"app"}))
    assert (await exchange(relay, await company.token())).access_token


async def test_it_lives_as_long_as_was_asked_for(company: Company) -> None:
    """A shorter life, to the second."""
    assert (await exchange(company.orders, await company.token(), access_ttl={"seconds": 7})).expires_in == 7


async def test_it_never_outlives_the_subject_token(service: Service, company: Company, reader: Caller) -> None:
    """Whatever was asked for; its exp is not a moment after that of the token that was traded."""
    token = await company.token()
    service.clock.advance(seconds=100.25)
    traded = await exchange(company.orders, token, access_ttl={"seconds": 3000})
    before, after = [await introspect(reader, one) for one in (token, traded.access_token)]
    assert (traded.expires_in, after.expires_at) == (199, before.expires_at)
    assert after.issued_at.ToMilliseconds() == service.clock() // 1000 * 1000
    service.clock.advance(seconds=199.75)
    assert not (await introspect(reader, traded.access_token)).active


async def test_it_never_outlives_the_actor_token(company: Company) -> None:
    """The one of both that ends first counts."""
    actor = await company.bot_token(access_ttl={"seconds": 20})
    assert (await exchange(company.orders, await company.token(), actor_token=actor)).expires_in == 20


async def test_it_lives_no_longer_than_the_callers_policy_says(service: Service, company: Company) -> None:
    """It is a token of the caller, so the caller's own limit counts as well."""
    policy = policy_of(access_ttl=30 * SECOND)
    caller = await service_of(service, "short", "ledger", policy=policy, audiences=frozenset({"orders"}))
    assert (await exchange(caller, await company.token())).expires_in == 30
    assert (await exchange(caller, await company.token(), access_ttl={"seconds": 60})).expires_in == 30


async def test_nothing_is_written_but_the_event(service: Service, company: Company) -> None:
    """No session, no entry of the log; the event says who traded whose token for what, and holds no token."""
    token = await company.token()
    before = tables_of(service)
    traded = await exchange(company.orders, token, scopes=["read"])
    after = tables_of(service)
    kept = {"audit_events", "audit_chains", "audit_heads"}
    assert {name: rows for name, rows in after.items() if name not in kept} == {
        name: rows for name, rows in before.items() if name not in kept
    }
    event = rows_of(service, "audit_events")[-1]
    assert len(after["audit_events"]) == len(before["audit_events"]) + 1
    assert {name: event[name] for name in ("type", "caller", "client_id", "subject", "session_id")} == {
        "type": "access_token.exchanged",
        "caller": "orders",
        "client_id": "app",
        "subject": "ada",
        "session_id": traded.session_id,
    }
    details = {"scope": "read", "audience": "ledger", "actor": "orders", "actor_client": "orders"}
    assert json.loads(event["details"]) == details
    assert not any(secret in repr(after) for secret in (token, traded.access_token))


async def test_the_first_token_and_its_session_go_on_as_before(company: Company) -> None:
    """A trade consumes nothing: the token stays active, can be traded again, and the session is refreshed."""
    issued = await issue(company.app)
    first, second = [await exchange(company.orders, issued.access_token) for _ in range(2)]
    assert first.access_token != second.access_token
    assert (await introspect(company.orders, issued.access_token)).active
    assert (await refresh(company.app, issued.refresh_token)).refresh_token


async def test_a_token_without_a_session_is_traded_too(company: Company, reader: Caller) -> None:
    """It has no session, and neither has what it is traded for."""
    traded = await exchange(company.orders, await company.token(access_only=True))
    assert traded.session_id == ""
    assert (await introspect(reader, traded.access_token)).active


async def test_a_batch_shows_the_actor(company: Company, reader: Caller) -> None:
    """BatchIntrospect says of a traded token the same as Introspect, between tokens of other kinds."""
    token = await company.token()
    traded = await company.chain(token, 2)
    batch = await reader.BatchIntrospect(pb.BatchIntrospectRequest(tokens=[token, traded, "nonsense"]))
    single = await introspect(reader, traded)
    single.revision = 0
    assert batch.results[1] == single
    assert [result.HasField("actor") for result in batch.results] == [False, True, False]


async def test_a_changed_policy_counts_with_the_next_call(service: Service, company: Company) -> None:
    """Each field of it by itself, over UpdateClient; and the event names it."""
    operator = await service.caller("operator", permissions=frozenset({Permission.ADMIN}))
    token = await company.token()
    changes: list[tuple[str, list[str], str]] = [
        ("scopes", ["read"], "INVALID_SCOPE"),
        ("audiences", ["mail"], "INVALID_AUDIENCE"),
        ("subject_clients", ["web"], "SUBJECT_TOKEN_INVALID"),
    ]
    for field, values, reason in changes:
        path = f"exchange_policy.{field}"
        assert (await exchange(company.orders, token, scopes=["write"] if field == "scopes" else [])).access_token
        client: Any = {"client_id": "orders", "exchange_policy": {field: values}}
        change = clients_pb.UpdateClientRequest(client=client, update_mask={"paths": [path]})
        assert list(getattr((await operator.UpdateClient(change)).client.exchange_policy, field)) == values
        event = rows_of(service, "audit_events")[-1]
        assert (event["type"], json.loads(event["details"])) == ("client.updated", {"fields": path})
        said = await refused(service, exchange(company.orders, token, scopes=["write"] if field == "scopes" else []))
        assert said.reason == reason
        client["exchange_policy"] = {"subject_clients": ["*"], "audiences": ["ledger"]}
        whole = clients_pb.UpdateClientRequest(client=client, update_mask={"paths": ["exchange_policy"]})
        await operator.UpdateClient(whole)


async def test_what_would_be_too_long_is_refused(service: Service, company: Company) -> None:
    """A token that could not be read back is not handed out; the field that is named takes the most room."""
    roles = {f"role-{number}": "x" * 60 for number in range(50)}
    long = "\U0001f511" * 64
    token = await company.token("\U0001f511" * 128, amr=[long] * 16, acr=long * 3, claims=roles, access_only=True)
    audiences = [f"{number:02}{'a' * 38}" for number in range(100)]
    caller = await service_of(service, "wide", *audiences, audiences=frozenset({"orders"}))
    said = await refused(service, exchange(caller, token, *audiences))
    assert (said.reason, said.fields) == ("INVALID_REQUEST", ("subject_token",))
    assert (await exchange(caller, token, audiences[0], access_ttl={"seconds": MINUTE // SECOND})).expires_in == 60
