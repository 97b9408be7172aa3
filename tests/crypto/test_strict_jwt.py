"""The JSON in a segment: written whatever a claim may hold, and read leniently only when it is our own."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokensvc.crypto.strict_jwt import decode_object, decode_own_object, encode_any_object, encode_object
from tokensvc.domain import base64url

NUMBERS = st.integers(-(2**1024), 2**1024) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OWN = st.none() | st.text() | st.integers(-(2**63), 2**63 - 1)


def _text(segment: str) -> str:
    return base64.urlsafe_b64decode(segment + "==").decode()


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_every_claim_is_carried(claims: dict[str, Any]) -> None:
    """Numbers of any size, any text, any nesting: the strict reader finds what a caller has given."""
    assert decode_object(encode_any_object(claims)) == claims


@given(st.dictionaries(st.text(), OWN | st.lists(OWN, max_size=3), max_size=4))
def test_our_own_claims_are_carried(claims: dict[str, Any]) -> None:
    """Other libraries and both of our readers find in it what was written."""
    segment = encode_object(claims)
    assert json.loads(_text(segment)) == decode_object(segment) == decode_own_object(segment) == claims


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 1e-05, 5e-324])
def test_claims_of_callers_are_as_long_as_they_were_reckoned(number: float) -> None:
    """Issue has measured the text that the standard library writes."""
    assert _text(encode_any_object({"n": number})) == json.dumps({"n": number}, separators=(",", ":"))


def test_members_stay_in_their_order() -> None:
    """Without spaces, so that a header is one text."""
    assert _text(encode_object({"typ": "rt+jwt", "alg": "HS256"})) == '{"typ":"rt+jwt","alg":"HS256"}'


@given(st.dictionaries(st.text(), OWN, max_size=4))
def test_what_earlier_versions_have_written_is_read(claims: dict[str, Any]) -> None:
    """They have escaped every character that is not ASCII."""
    assert decode_own_object(base64url.encode(json.dumps(claims).encode())) == claims


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"7", b'"x"', b"null", b"{", b"{}{}", b'{"n":NaN}', b"\xff", b'{"x":"\xff"}']
)
def test_what_is_no_object_is_none(data: bytes) -> None:
    """Whatever it is, nothing is raised."""
    assert decode_own_object(base64url.encode(data)) is None
    assert decode_object(base64url.encode(data)) is None


@pytest.mark.parametrize("segment", ["e", "é", "e30\ud800"], ids=ascii)
def test_what_is_no_segment_is_none(segment: str) -> None:
    """The same of what is no base64url."""
    assert decode_own_object(segment) is None


def test_a_member_that_is_named_twice_is_refused_before_trust() -> None:
    """Readers differ on which of the two counts; of our own there are none such."""
    twice = base64url.encode(b'{"iss":"a","iss":"b"}')
    assert decode_object(twice) is None
    assert decode_own_object(twice) == {"iss": "b"}
