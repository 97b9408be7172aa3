"""The claims of an access token: written as RFC 9068 says, read strictly, and never guessed."""

import json
import math
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokensvc.domain.access_token import RESERVED, AccessToken, from_claims, to_claims
from tokensvc.domain.confirmation import Confirmation

FULL = AccessToken(
    issuer="https://issuer.test",
    subject="ada",
    client_id="phone",
    audiences=("api", "billing"),
    scopes=("read", "write"),
    issued_at=1_800_000_000_000,
    expires_at=1_800_000_300_000,
    token_id="jti-1",
    started_at=1_799_999_999_123,
    started_revision=7,
    session_id="session-1",
    device_id="device-1",
    auth_time=1_799_999_000_000,
    acr="urn:high",
    amr=("pwd", "otp"),
    claims={"tenant": "acme", "roles": ["admin", {"since": 1.5}], "flag": True, "nothing": None},
    confirmation=Confirmation(jkt="0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
)
BARE = replace(
    FULL, scopes=(), session_id="", device_id="", auth_time=None, acr="", amr=(), claims={}, confirmation=None
)
REQUIRED = ("iss", "sub", "client_id", "aud", "scope", "iat", "exp", "jti", "orig_iat", "rev")
MOMENTS = ("iat", "exp", "auth_time", "orig_iat", "rev")
TEXTS = ("iss", "sub", "client_id", "jti", "sid", "device_id", "acr")


def same(one: AccessToken | None, other: AccessToken) -> bool:
    """Whether both say the same; tokens are compared by identity otherwise."""
    return one is not None and all(getattr(one, f.name) == getattr(other, f.name) for f in fields(AccessToken))


def changed(**claims: Any) -> AccessToken | None:
    """What is read from the full claims set with changes, as it would come out of a JWT."""
    return from_claims({**to_claims(FULL), **claims})


def test_the_claims_have_their_registered_names_and_types() -> None:
    """The claims set is that of RFC 9068, 2.2, with sid, orig_iat and rev beside it."""
    assert to_claims(FULL) == {
        "iss": "https://issuer.test",
        "sub": "ada",
        "client_id": "phone",
        "aud": ["api", "billing"],
        "scope": "read write",
        "iat": 1_800_000_000,
        "exp": 1_800_000_300,
        "jti": "jti-1",
        "orig_iat": 1_799_999_999.123,
        "rev": 7,
        "sid": "session-1",
        "device_id": "device-1",
        "auth_time": 1_799_999_000,
        "acr": "urn:high",
        "amr": ["pwd", "otp"],
        "tenant": "acme",
        "roles": ["admin", {"since": 1.5}],
        "flag": True,
        "nothing": None,
        "cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
    }


def test_what_is_absent_is_not_claimed() -> None:
    """A token without session, device and the circumstances of the login has no claims about them."""
    assert to_claims(BARE).keys() == set(REQUIRED)


@pytest.mark.parametrize("token", [FULL, BARE], ids=["full", "bare"])
def test_a_token_reads_back_as_it_was_written(token: AccessToken) -> None:
    """Through JSON and back, a token says the same, further claims included."""
    assert same(from_claims(json.loads(json.dumps(to_claims(token)))), token)


@given(st.integers(0, 4_102_444_800_000))
def test_the_beginning_of_a_session_keeps_its_milliseconds(started_at: int) -> None:
    """A cut-off by moment is exact to the millisecond, so the claim it is compared with is too."""
    read = from_claims(json.loads(json.dumps(to_claims(replace(FULL, started_at=started_at)))))
    assert read is not None
    assert read.started_at == started_at


@pytest.mark.parametrize("name", sorted(RESERVED & to_claims(FULL).keys()))
def test_a_further_claim_never_replaces_a_registered_one(name: str) -> None:
    """Where both name the same claim, the registered one is written."""
    claims = to_claims(replace(FULL, claims={name: "forged", "tenant": "acme"}))
    assert same(from_claims(claims), replace(FULL, claims={"tenant": "acme"}))


@pytest.mark.parametrize("name", sorted(RESERVED - to_claims(FULL).keys() - {"act"}))
def test_a_reserved_name_is_never_read_as_a_further_claim(name: str) -> None:
    """What RFC 7519 and its companions give a meaning to does not pass for a claim of the caller's."""
    token = changed(**{name: "forged"})
    assert token is not None
    assert token.claims == FULL.claims


def test_every_claim_of_this_service_is_reserved() -> None:
    """What the service writes, a caller cannot set."""
    assert to_claims(replace(FULL, claims={})).keys() <= RESERVED


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_claim_is_refused(name: str) -> None:
    """No required claim has a default."""
    claims = to_claims(FULL)
    del claims[name]
    assert from_claims(claims) is None


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize(
    "value",
    [
        "1800000300",
        "",
        None,
        True,
        False,
        -1,
        [1_800_000_300],
        {},
        math.nan,
        math.inf,
        -math.inf,
        1e308,
        -0.5,
        2**53,
        2**63,
        10**400,
    ],
    ids=lambda value: repr(value)[:12],
)
def test_a_moment_or_revision_of_another_type_is_refused(name: str, value: object) -> None:
    """A moment or revision is a number from 0 up to what JSON can hold exactly: no text, no boolean, no NaN."""
    assert changed(**{name: value}) is None


@pytest.mark.parametrize("name", ["iat", "exp", "auth_time", "rev"])
@pytest.mark.parametrize("value", [1_800_000_300.0, 0.5])
def test_fractions_are_refused_where_none_are_written(name: str, value: float) -> None:
    """Only orig_iat is written with a fraction; a whole number in a float's clothes is refused as well."""
    assert changed(**{name: value}) is None


def test_a_session_may_begin_on_a_whole_second() -> None:
    """A JSON writer may drop the fraction of a whole second."""
    token = changed(orig_iat=1_799_999_999)
    assert token is not None
    assert token.started_at == 1_799_999_999_000


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["", None, 0, True, 1.5, ["ada"], {"ada": 1}], ids=repr)
def test_a_text_of_another_type_is_refused(name: str, value: object) -> None:
    """A name is a text that is not empty, and nothing is converted to one."""
    assert changed(**{name: value}) is None


@pytest.mark.parametrize("name", ["aud", "amr"])
@pytest.mark.parametrize(
    "value", ["api", "", None, [], [""], ["api", 1], ["api", None], [["api"]], {"api": 1}], ids=repr
)
def test_a_list_of_another_form_is_refused(name: str, value: object) -> None:
    """Audiences and methods are lists of texts, not empty: one bare text is refused too."""
    assert changed(**{name: value}) is None


@pytest.mark.parametrize("value", [None, 1, ["read"], True], ids=repr)
def test_a_scope_of_another_type_is_refused(value: object) -> None:
    """The scope is one text; only it may be empty."""
    assert changed(scope=value) is None


@pytest.mark.parametrize(
    "value", [None, "key", {}, {"jkt": 1}, {"kid": "1"}, {"jkt": "short"}, {"jwk": {}, "jkt": ""}], ids=repr
)
def test_what_a_token_is_bound_to_is_understood_or_it_is_none(value: object) -> None:
    """A token that is bound in a way that is not known here never passes for one that is not bound."""
    assert changed(cnf=value) is None


def test_an_empty_claims_set_is_refused() -> None:
    """Nothing is no token."""
    assert from_claims({}) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*sorted(RESERVED), "tenant"]), json_values))
def test_no_claims_set_raises(claims: dict[str, Any]) -> None:
    """Whatever JSON holds, reading it answers a token or None."""
    read = from_claims({**to_claims(FULL), **claims})
    assert read is None or isinstance(read, AccessToken)


def test_two_readings_are_two_tokens() -> None:
    """Tokens are the same only if they are the same object, and can be keys of a cache whatever they claim."""
    one, other = from_claims(to_claims(FULL)), from_claims(to_claims(FULL))
    assert one != other
    assert len({one, other}) == 2
