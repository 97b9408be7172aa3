"""Who acts in a traded token, who may, and how long a chain of actors gets (RFC 8693, 4.1 and 4.4)."""

from typing import Any

import pytest
from google.protobuf import json_format

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.exchanges import Company, service_of
from tests.rpc.steps import exchange, introspect, issue, refresh
from tests.rpc.tables import tables_of

ORDERS, LEDGER = [{"sub": name, "client_id": name} for name in ("orders", "ledger")]
BOT = {"sub": "bot", "client_id": "bot"}


async def actor_of(reader: Caller, token: str) -> dict[str, Any]:
    """The claim act, as Introspect shows it."""
    actor: dict[str, Any] = json_format.MessageToDict((await introspect(reader, token)).actor)
    return actor


async def test_each_exchange_adds_who_acts(company: Company, reader: Caller) -> None:
    """The present actor stands outside, who has acted before within; the subject is the same all along."""
    token = await company.chain(await company.token(), 3)
    assert await actor_of(reader, token) == {**ORDERS, "act": {**LEDGER, "act": ORDERS}}
    seen = await introspect(reader, token)
    assert (seen.subject, seen.client_id, list(seen.audiences)) == ("ada", "orders", ["ledger"])


async def test_a_chain_has_an_end(service: Service, company: Company, reader: Caller) -> None:
    """Four exchanges; the fifth is refused by name, with and without an actor token, and the fourth token lives on."""
    token = await company.chain(await company.token(), 4)
    before = tables_of(service)
    for more in ({}, {"actor_token": await company.bot_token()}):
        said = await failure(exchange(company.orders, token, **more))
        assert (said.reason, said.fields) == ("INVALID_REQUEST", ("subject_token",))
        before = tables_of(service) if more else before
    assert tables_of(service) == before
    assert (await introspect(reader, token)).active


async def test_with_an_actor_token_its_subject_acts(company: Company, reader: Caller) -> None:
    """The caller has the new token; who acts is whom the actor token speaks for."""
    traded = await exchange(company.orders, await company.token(), actor_token=await company.bot_token())
    assert await actor_of(reader, traded.access_token) == BOT
    assert (await introspect(reader, traded.access_token)).client_id == "orders"
    further = await exchange(company.ledger, traded.access_token, "mail")
    assert await actor_of(reader, further.access_token) == {**LEDGER, "act": BOT}


async def test_a_person_may_act(company: Company, reader: Caller) -> None:
    """A support agent in another's name: both stand in the token, and nothing of the agent but who it is."""
    agent = await company.token("agent", claims={"team": "support"}, scopes=["read"])
    traded = await exchange(company.orders, await company.token(claims={"tenant": "acme"}), actor_token=agent)
    seen = await introspect(reader, traded.access_token)
    assert (seen.subject, list(seen.scopes), dict(seen.claims)) == ("ada", ["read", "write"], {"tenant": "acme"})
    assert dict(seen.actor) == {"sub": "agent", "client_id": "app"}


async def test_who_acts_for_another_cannot_lend_its_name(company: Company) -> None:
    """A traded token is no actor token: it would leave out who acts in it."""
    traded = (await exchange(company.orders, await company.token("agent"))).access_token
    call = exchange(company.ledger, await company.chain(await company.token(), 1), "mail", actor_token=traded)
    said = await failure(call)
    assert (said.code.name, said.reason, said.fields) == ("INVALID_ARGUMENT", "INVALID_REQUEST", ("actor_token",))


async def _of_another_audience(service: Service, company: Company) -> str:
    """It was not meant for the caller, who may not act for its client either: as a stolen one."""
    other = await service.caller("other", policy=policy_of(audiences=("mail",)))
    return (await issue(other, "agent")).access_token


async def _refresh_token(_: Service, company: Company) -> str:
    return (await issue(company.app, "agent")).refresh_token


async def _tampered(_: Service, company: Company) -> str:
    return (await company.bot_token())[:-2]


@pytest.mark.parametrize(
    "bad", [_of_another_audience, _refresh_token, _tampered], ids=lambda bad: bad.__name__.strip("_")
)
async def test_an_actor_token_is_as_good_as_the_subject_token(service: Service, company: Company, bad: Any) -> None:
    """A bad one is refused in the very words of a bad subject token, and nothing is written."""
    token, actor = await company.token(), await bad(service, company)
    of_the_subject = await failure(exchange(company.orders, "nonsense"))
    before = tables_of(service)
    assert await failure(exchange(company.orders, token, actor_token=actor)) == of_the_subject
    assert tables_of(service) == before


async def test_an_actor_token_of_the_callers_own_is_good(company: Company, reader: Caller) -> None:
    """Whatever its audience is: it is the caller's own name."""
    own = (await issue(company.bot, "robot")).access_token
    service_token = await exchange(company.orders, await company.token(), actor_token=own)
    assert await actor_of(reader, service_token.access_token) == {"sub": "robot", "client_id": "bot"}


MAY_ACT: list[tuple[dict[str, str], bool, bool]] = [
    # what may_act names, whether the caller `orders` may act, whether `bot` may
    ({"sub": "orders"}, True, False),
    ({"client_id": "orders"}, True, False),
    ({"sub": "orders", "client_id": "orders"}, True, False),
    ({"sub": "orders", "client_id": "web"}, False, False),
    ({"sub": "bot", "client_id": "orders"}, False, False),
    ({"sub": "bot"}, False, True),
    ({"client_id": "bot"}, False, True),
    ({"sub": "Orders"}, False, False),
    ({"sub": "ada"}, False, False),
]


@pytest.mark.parametrize(("may_act", "caller", "bot"), MAY_ACT, ids=str)
async def test_may_act_says_who_may(
    service: Service, company: Company, may_act: dict[str, str], *, caller: bool, bot: bool
) -> None:
    """Where the login service has named an actor, another one is refused by name, and nothing is written."""
    token = await company.token(claims={"may_act": may_act})
    bot_token = await company.bot_token()
    for allowed, more in ((caller, {}), (bot, {"actor_token": bot_token})):
        if allowed:
            assert (await exchange(company.orders, token, **more)).access_token
            continue
        before = tables_of(service)
        said = await failure(exchange(company.orders, token, **more))
        assert (said.code.name, said.reason) == ("PERMISSION_DENIED", "CALLER_NOT_PERMITTED")
        assert said.fields == ("subject_token",)
        assert tables_of(service) == before


async def test_may_act_holds_for_the_whole_chain(company: Company, reader: Caller) -> None:
    """A traded token has it too: whom it does not name may not act later either."""
    traded = await exchange(company.orders, await company.token(claims={"may_act": {"client_id": "orders"}}))
    assert (await failure(exchange(company.ledger, traded.access_token, "mail"))).reason == "CALLER_NOT_PERMITTED"
    assert "may_act" in (await introspect(reader, traded.access_token)).claims


async def test_may_act_is_part_of_the_session(company: Company) -> None:
    """The access token of a refresh says the same as the first one."""
    issued = await issue(company.app, claims={"may_act": {"client_id": "ledger"}})
    token = (await refresh(company.app, issued.refresh_token)).access_token
    assert (await failure(exchange(company.orders, token))).reason == "CALLER_NOT_PERMITTED"


async def test_without_the_claim_everybody_may_act_whom_the_policy_lets(service: Service, company: Company) -> None:
    """It narrows what policies allow, and never widens it: who is named and has no policy trades nothing."""
    bare = await service_of(service, "bare", audiences=frozenset({"orders"}))
    token = await company.token(claims={"may_act": {"client_id": "bare"}})
    assert (await failure(exchange(bare, token))).reason == "INVALID_AUDIENCE"
    assert (await exchange(company.orders, await company.token())).access_token


@pytest.mark.parametrize(
    "may_act",
    [
        None,
        "orders",
        True,
        7,
        {},
        [],
        [{"sub": "orders"}],
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"sub": ["orders"]},
        {"sub": "orders", "client_id": None},
        {"sub": "orders", "iss": "https://issuer.test"},
        {"name": "orders"},
        {"act": {"sub": "orders"}},
    ],
    ids=str,
)
async def test_a_may_act_that_is_not_understood_is_refused_at_issue(
    service: Service, company: Company, may_act: object
) -> None:
    """What would not be enforced as it was meant is not put into a token, and nothing is written."""
    before = tables_of(service)
    said = await failure(issue(company.app, claims={"may_act": may_act, "tenant": "acme"}))
    assert (said.reason, said.fields) == ("INVALID_REQUEST", ("claims",))
    assert tables_of(service) == before


@pytest.mark.parametrize("name", ["act", "exchanged_from"])
async def test_what_exchange_writes_is_not_given_at_issue(company: Company, name: str) -> None:
    """Nobody can claim to be acted for, or from where a token comes."""
    for value in ({"sub": "eve", "client_id": "eve"}, [], None):
        said = await failure(issue(company.app, claims={name: value}))
        assert (said.reason, said.fields) == ("INVALID_REQUEST", ("claims",))
