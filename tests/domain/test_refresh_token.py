"""The opaque refresh token: derived and checked, and only ever spelled in one way."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokensvc.domain.refresh_token import (
    MAX_GENERATION,
    PREFIX,
    RefreshToken,
    bound_digest,
    decode,
    encode,
    handle_for,
    session_id_of,
)

KEYS = {1: b"k" * 32, 7: b"other" * 7}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

tokens = st.builds(
    RefreshToken, st.sampled_from(sorted(KEYS)), st.binary(min_size=16, max_size=16), st.integers(0, MAX_GENERATION)
)


def written(token: RefreshToken) -> str:
    """The token under its own key."""
    return encode(token, KEYS[token.key_id])


@given(tokens)
def test_a_token_reads_back_as_it_was_written(token: RefreshToken) -> None:
    """Encoding and decoding are inverse for every key, handle and generation."""
    assert decode(written(token), KEYS) == token


def test_the_format_is_the_documented_one() -> None:
    """The token is the prefix and base64url of key id, handle, big-endian generation and a truncated HMAC-SHA256."""
    handle = bytes(range(16))
    signed = handle + bytes([0, 1, 2, 3])
    tag = hmac.new(KEYS[7], b"tsr1" + signed, hashlib.sha256).digest()[:16]
    expected = "tsr1_" + base64.urlsafe_b64encode(b"\x07" + signed + tag).decode().rstrip("=")
    assert written(RefreshToken(7, handle, 0x00010203)) == expected


@given(tokens, st.data())
def test_a_flipped_bit_is_refused(token: RefreshToken, data: st.DataObject) -> None:
    """No bit of key id, handle, generation or tag can be changed."""
    raw = bytearray(base64.urlsafe_b64decode(written(token)[len(PREFIX) :] + "=="))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    forged = PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert decode(forged, KEYS) is None


@given(tokens, st.data())
def test_another_character_anywhere_is_refused(token: RefreshToken, data: st.DataObject) -> None:
    """No character of the token can be replaced by another one, of base64 or not, in the prefix or behind it."""
    text = written(token)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(ALPHABET + "+/= \n\0é") | st.characters())
    changed = text[:place] + other + text[place + 1 :]
    assert (decode(changed, KEYS) is None) == (changed != text)


@given(tokens, st.data())
def test_a_truncated_token_is_refused(token: RefreshToken, data: st.DataObject) -> None:
    """No part of a token is a token."""
    text = written(token)
    assert decode(text[: data.draw(st.integers(0, len(text) - 1))], KEYS) is None


@given(tokens, st.text(min_size=1, max_size=8))
def test_an_extended_token_is_refused(token: RefreshToken, more: str) -> None:
    """Nothing may stand before or behind a token: no padding, no white space, no NUL, nothing."""
    text = written(token)
    assert decode(text + more, KEYS) is None
    assert decode(more + text, KEYS) is None


@pytest.mark.parametrize("more", ["=", "==", "\n", " ", "\t", "\0", "\r\n", "A", "AAAA", "."])
def test_padding_and_white_space_are_refused(more: str) -> None:
    """What lenient base64 decoders skip or expect behind the text is refused here."""
    assert decode(written(RefreshToken(1, bytes(16), 0)) + more, KEYS) is None


def test_white_space_inside_the_token_is_refused() -> None:
    """A line break in place of a character does not shorten the token to something that could be read."""
    text = written(RefreshToken(1, bytes(16), 0))
    assert decode(text[:20] + "\n" + text[20:-1], KEYS) is None


@given(tokens)
def test_the_last_character_has_one_spelling(token: RefreshToken) -> None:
    """The last character has four bits to spare: of the sixteen spellings that decode alike only one is the token."""
    text = written(token)
    spellings = [text[:-1] + character for character in ALPHABET]
    assert [spelling for spelling in spellings if decode(spelling, KEYS)] == [text]


@given(tokens.map(lambda token: RefreshToken(token.key_id, b"\xfb\xff" * 8, token.generation)))
def test_the_other_base64_alphabet_is_refused(token: RefreshToken) -> None:
    """Standard base64 with + and / is another spelling, and refused."""
    text = written(token)
    other = PREFIX + text[len(PREFIX) :].replace("-", "+").replace("_", "/")
    assert other != text
    assert decode(other, KEYS) is None


def test_an_unknown_key_id_is_refused() -> None:
    """A token that names a key which is not there is refused, however good its tag."""
    assert decode(encode(RefreshToken(2, bytes(16), 0), KEYS[1]), KEYS) is None


def test_a_tag_made_by_another_key_is_refused() -> None:
    """A key vouches only for tokens that name it."""
    assert decode(encode(RefreshToken(1, bytes(16), 0), KEYS[7]), KEYS) is None


def test_without_keys_nothing_is_genuine() -> None:
    """An empty key ring accepts nothing."""
    assert decode(written(RefreshToken(1, bytes(16), 0)), {}) is None


@given(tokens, tokens)
def test_the_session_id_depends_on_the_handle_alone(one: RefreshToken, other: RefreshToken) -> None:
    """Every key and generation of one handle names the same session; two handles never do."""
    same_handle = RefreshToken(other.key_id, one.handle, other.generation)
    assert one.session_id == same_handle.session_id == session_id_of(one.handle)
    assert (one.session_id == other.session_id) == (one.handle == other.handle)


def test_the_session_id_hides_the_handle() -> None:
    """The session id is the truncated SHA-256 of the handle, in 22 characters."""
    handle = bytes(range(16))
    expected = base64.urlsafe_b64encode(hashlib.sha256(handle).digest()[:16]).decode().rstrip("=")
    assert session_id_of(handle) == expected
    assert len(expected) == 22


@given(st.text(), st.text())
def test_an_idempotency_key_always_leads_to_the_same_handle(caller: str, key: str) -> None:
    """A repeated Issue derives the handle of the first."""
    assert handle_for(KEYS[1], caller, key) == handle_for(KEYS[1], caller, key)


clients = st.text(st.sampled_from("ab:/-."), min_size=1, max_size=6)
idempotency_keys = st.text(st.characters(categories=("L", "N", "P")), max_size=6)


@given(st.tuples(clients, idempotency_keys, st.sampled_from(sorted(KEYS))), st.data())
def test_handles_are_separate_for_each_caller_and_key(one: tuple[str, str, int], data: st.DataObject) -> None:
    """Two callers, two idempotency keys or two MAC keys never meet, wherever one text ends and the other begins."""
    caller, key, key_id = one
    cut = data.draw(st.integers(1, len(caller + key)))
    neighbours = [(caller + key)[:cut], (caller + key)[cut:]]
    other = data.draw(st.tuples(clients, idempotency_keys, st.sampled_from(sorted(KEYS))))
    handle = handle_for(KEYS[key_id], caller, key)
    assert (handle == handle_for(KEYS[key_id], *neighbours)) == (neighbours == [caller, key])
    assert (handle == handle_for(KEYS[other[2]], other[0], other[1])) == (other == one)


def test_a_bound_digest_differs_by_handle_name_and_value() -> None:
    """What a row keeps of a bound value can be compared only by somebody who holds the token."""
    digests = {
        bound_digest(bytes(16), "credential_version", "v1"),
        bound_digest(bytes(16), "credential_version", "v2"),
        bound_digest(bytes(16), "ip", "v1"),
        bound_digest(b"\1" * 16, "credential_version", "v1"),
    }
    assert len(digests) == 4
