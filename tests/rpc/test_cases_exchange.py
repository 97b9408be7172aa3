"""Where exchanges have gone wrong elsewhere: case 40, of which the deaths of tokens are in test_exchange_ended.py."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from tests.harness import Service, failure, policy_of
from tests.rpc.exchanges import READER, Company, founded, policy_for, service_of
from tests.rpc.steps import exchange, introspect
from tests.rpc.tables import tables_of
from tokensvc.domain.policy import SECOND

SCOPES = [(), ("read",), ("read", "write"), ("read", "admin"), ("admin",)]
AUDIENCES = [("ledger",), ("mail",), ("ledger", "mail"), ("orders",), ("ledger", "bank")]
SPANS = [None, 1, 59, 60, 61, 10_000]


def _wishes() -> Iterator[tuple[tuple[str, ...], tuple[str, ...], int | None]]:
    yield from product(SCOPES, AUDIENCES, SPANS)


@pytest.fixture
async def company(service: Service) -> Company:
    """Callers that trade tokens."""
    return await founded(service)


async def test_case_40_exchange_never_widens_scope_audience_or_lifetime(service: Service, company: Company) -> None:
    """Each wish is granted within token and policy, or refused for its field; what is granted is what is written.

    The token has the scopes read and write, and 100 seconds left; the policy has the audiences ledger and mail, the
    scopes read and admin, and a minute.
    """
    reader = await service.caller("reader", **READER)
    fields: dict[str, Any] = {
        "exchange_policy": policy_for("ledger", "mail", clients=("app",), scopes=("read", "admin")),
        "policy": policy_of(access_ttl=60 * SECOND),
        "audiences": frozenset({"orders"}),
    }
    caller = await service_of(service, "narrow", **fields)
    token = await company.token()
    service.clock.advance(seconds=200)
    for scopes, audiences, span in _wishes():
        ttl = {"access_ttl": {"seconds": span}} if span else {}
        call = exchange(caller, token, *audiences, scopes=scopes, **ttl)
        if not {*audiences} <= {"ledger", "mail"}:
            assert (await failure(call)).reason == "INVALID_AUDIENCE"
        elif not {*scopes} <= {"read"}:
            assert (await failure(call)).reason == "INVALID_SCOPE"
        else:
            traded = await call
            seen = await introspect(reader, traded.access_token)
            assert (list(seen.scopes), list(seen.audiences)) == (["read"], list(audiences))
            assert traded.expires_in == min(span or 60, 60)
            assert seen.expires_at.seconds - service.clock() // 1000 == traded.expires_in


async def test_case_40_nor_does_a_chain(service: Service, company: Company) -> None:
    """What one exchange has taken away no later one gives back, whatever its policy allows."""
    first = await exchange(company.orders, await company.token(), scopes=["read"], access_ttl={"seconds": 20})
    before = tables_of(service)
    assert (await failure(exchange(company.ledger, first.access_token, "mail", scopes=["write"]))).reason == (
        "INVALID_SCOPE"
    )
    assert tables_of(service) == before
    second = await exchange(company.ledger, first.access_token, "mail", access_ttl={"seconds": 300})
    assert (list(second.scopes), second.expires_in) == (["read"], 20)
