"""Base64url without padding: one spelling is written, and no other is read."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokensvc.domain.base64url import decode, decode_own, encode

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.binary(max_size=100))
def test_it_is_what_the_standard_says(data: bytes) -> None:
    """What the standard library writes, without the padding; both ways of reading answer the data."""
    assert encode(data) == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert decode(encode(data)) == decode_own(encode(data)) == data


@given(st.text(st.sampled_from(ALPHABET + "+/= \n.é"), max_size=12))
def test_no_other_spelling_is_read(text: str) -> None:
    """Padding, white space, the other alphabet, foreign characters and bits to spare are refused, wherever they are."""
    data = decode(text)
    assert data is None or encode(data) == text


@pytest.mark.parametrize(
    "text", ["Y", "YQ==", "YQ=", "YR", "YWI=", "YWJ", "Y Q", "YQ\n", "+/8", "é", "\ud800", "=", "YQ=A"]
)
def test_what_is_misspelt_is_refused(text: str) -> None:
    """Each of them stands for something to a lenient reader, or is none at all."""
    assert decode(text) is None
