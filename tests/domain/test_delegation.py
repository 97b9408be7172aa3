"""What a traded token says of actors and origins: written as RFC 8693 says, read strictly, and bounded."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.test_access_token_claims import FULL, json_values, same
from tokensvc.domain.access_token import AccessToken, from_claims, to_claims
from tokensvc.domain.delegation import MAX_ACTORS, Actor, Delegation, Origin, is_may_act, permits

FIRST = Origin("jti-0", "phone", 1_799_999_999_123, 7, "ada", "session-1", "device-1")
OWN = Origin("jti-1", "orders", 1_800_000_000_000, 9)
ORDERS = Actor("orders", "orders")
TRADED = replace(FULL, delegation=Delegation((Actor("bot", "bots"), ORDERS), (FIRST, OWN)))
CLAIMS = to_claims(TRADED)


def read(**claims: Any) -> AccessToken | None:
    """What is read from the claims of the traded token with changes."""
    return from_claims({**CLAIMS, **claims})


def test_the_claims_are_those_of_the_standard() -> None:
    """`act` is nested, the present actor outside; beside it stands what the token was made from."""
    assert CLAIMS["act"] == {"sub": "bot", "client_id": "bots", "act": {"sub": "orders", "client_id": "orders"}}
    assert CLAIMS["exchanged_from"] == [
        {
            "jti": "jti-0",
            "client_id": "phone",
            "orig_iat": 1_799_999_999.123,
            "rev": 7,
            "sub": "ada",
            "sid": "session-1",
            "device_id": "device-1",
        },
        {"jti": "jti-1", "client_id": "orders", "orig_iat": 1_800_000_000.0, "rev": 9},
    ]


def test_what_is_written_is_read_back() -> None:
    """The same actors and origins, in their order."""
    assert same(from_claims(CLAIMS), TRADED)


def test_other_tokens_say_nothing_of_it() -> None:
    """A token that was not traded has none of these claims, and is read without."""
    assert not {"act", "exchanged_from"} & to_claims(FULL).keys()
    assert same(from_claims(to_claims(FULL)), FULL)


def test_origins_without_an_actor_mean_nothing() -> None:
    """A claim of the caller's that happened to have this name, from before it was reserved, is no part of a token."""
    assert same(from_claims({**to_claims(FULL), "exchanged_from": "anywhere"}), FULL)


NO_ACTOR: list[Any] = [
    None,
    "orders",
    7,
    True,
    [],
    {},
    [{"sub": "orders", "client_id": "orders"}],
    {"sub": "orders"},
    {"client_id": "orders"},
    {"sub": "", "client_id": "orders"},
    {"sub": "orders", "client_id": 7},
    {"sub": ["orders"], "client_id": "orders"},
    {"sub": "orders", "client_id": "orders", "act": None},
    {"sub": "orders", "client_id": "orders", "act": {}},
    {"sub": "orders", "client_id": "orders", "act": {"sub": "bot"}},
    {"sub": "orders", "client_id": "orders", "name": "Orders"},
]


@pytest.mark.parametrize("act", NO_ACTOR, ids=str)
def test_an_actor_of_another_form_is_refused(act: object) -> None:
    """Both names, as texts, and nothing else; at any depth."""
    assert read(act=act) is None
    assert read(act={"sub": "bot", "client_id": "bots", "act": act}) is None


def nested(times: int) -> dict[str, Any]:
    """A claim act with so many actors."""
    claim: dict[str, Any] = {"sub": "orders", "client_id": "orders"}
    return claim | {"act": nested(times - 1)} if times > 1 else claim


def test_a_chain_that_is_too_long_is_refused() -> None:
    """As many as an exchange makes are read, one more is not; nor is one that no stack could hold."""
    token = read(act=nested(MAX_ACTORS))
    assert token is not None
    assert token.delegation is not None
    assert len(token.delegation.actors) == MAX_ACTORS
    assert read(act=nested(MAX_ACTORS + 1)) is None
    assert read(act=nested(500)) is None


ORIGIN: dict[str, Any] = {"jti": "jti-0", "client_id": "phone", "orig_iat": 1_799_999_999, "rev": 7}
NO_ORIGIN: list[Any] = [
    None,
    "jti-0",
    {},
    *({name: value for name, value in ORIGIN.items() if name != missing} for missing in ORIGIN),
    *(ORIGIN | {name: value} for name in ("jti", "client_id", "sub", "sid", "device_id") for value in ("", None, 7)),
    *(ORIGIN | {"rev": value} for value in (-1, 1.0, "7", True, 2**53)),
    *(ORIGIN | {"orig_iat": value} for value in (-1, "7", True, float("nan"), float("inf"), 2**53)),
    ORIGIN | {"colour": "red"},
]


@pytest.mark.parametrize("origin", NO_ORIGIN, ids=str)
def test_an_origin_of_another_form_is_refused(origin: object) -> None:
    """Every member by its exact type, none missing and none too many."""
    assert read(exchanged_from=[ORIGIN]) is not None
    assert read(exchanged_from=[ORIGIN, origin]) is None


@pytest.mark.parametrize(
    "origins", [None, [], {}, "", ORIGIN, [ORIGIN] * (2 * MAX_ACTORS + 2)], ids=lambda one: str(one)[:9]
)
def test_origins_are_a_list_with_an_end(origins: object) -> None:
    """At least one, and no more than the longest chain can have; a token that has an actor has them."""
    assert read(exchanged_from=origins) is None
    assert read(exchanged_from=[ORIGIN] * (2 * MAX_ACTORS + 1)) is not None
    assert from_claims({name: value for name, value in CLAIMS.items() if name != "exchanged_from"}) is None


@given(act=json_values, origins=json_values)
def test_no_value_raises(act: object, origins: object) -> None:
    """Whatever JSON holds, reading it answers a token or None."""
    for read_token in (read(act=act), read(exchanged_from=origins), read(exchanged_from=[origins])):
        assert read_token is None or isinstance(read_token, AccessToken)


@given(
    st.recursive(
        st.fixed_dictionaries({"sub": st.text(max_size=3), "client_id": st.text(max_size=3)}),
        lambda inner: st.builds(lambda act, more: {**act, "act": more}, inner, inner),
        max_leaves=8,
    )
)
def test_a_chain_is_read_whole_or_not_at_all(act: dict[str, Any]) -> None:
    """No actor is left out of what is read."""
    token = read(act=act)
    if token is not None:
        assert to_claims(token)["act"] == act


@pytest.mark.parametrize(
    ("claim", "actor", "expected"),
    [
        ({"sub": "orders"}, ORDERS, True),
        ({"client_id": "orders"}, ORDERS, True),
        ({"sub": "orders", "client_id": "orders"}, ORDERS, True),
        ({"sub": "bot"}, ORDERS, False),
        ({"sub": "orders", "client_id": "bots"}, ORDERS, False),
        ({"sub": "bot", "client_id": "bots"}, Actor("bot", "bots"), True),
        ({"sub": "bots"}, Actor("bot", "bots"), False),
        ({"client_id": "bot"}, Actor("bot", "bots"), False),
        ({}, ORDERS, False),
        (None, ORDERS, False),
        ("orders", ORDERS, False),
        ([{"sub": "orders"}], ORDERS, False),
        ({"sub": ["orders"]}, ORDERS, False),
        ({"sub": "orders", "iss": "x"}, ORDERS, False),
    ],
    ids=str,
)
def test_may_act_permits_whom_it_names(claim: object, actor: Actor, *, expected: bool) -> None:
    """All that it names has to agree; what is not understood permits nobody."""
    assert permits(claim, actor) is expected


@given(json_values)
def test_what_is_no_may_act_permits_nobody(claim: object) -> None:
    """Whatever JSON holds."""
    assert is_may_act(claim) or not permits(claim, ORDERS)
