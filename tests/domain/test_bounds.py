"""What a well-formed value is: the longest, the odd and the empty, at their borders."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokensvc.domain import bounds
from tokensvc.domain.errors import Reason, RefusedError


def field_refused(check: Callable[[], object]) -> str:
    """Run a check that must refuse with INVALID_REQUEST; answer the field that it names."""
    with pytest.raises(RefusedError) as caught:
        check()
    assert caught.value.reason is Reason.INVALID_REQUEST
    return caught.value.field


@pytest.mark.parametrize("value", ["", "ada", "a" * 255, "Ada Lovelace", "アダ", "ada@example.org", "'; DROP TABLE"])
def test_a_text_is_anything_printable(value: str) -> None:
    """Names are kept as they are, in every script, up to 255 characters."""
    assert bounds.text(value, "subject") == value


@pytest.mark.parametrize(
    "character",
    ["\0", "\n", "\r", "\t", "\x1b", "\x1f", "\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ud800"],
)
@pytest.mark.parametrize("place", ["{}ada", "a{}da", "ada{}"])
def test_a_text_has_no_control_characters(character: str, place: str) -> None:
    """Nothing that could end a line, a key or a C string comes in, wherever it stands."""
    assert field_refused(lambda: bounds.text(place.format(character), "subject")) == "subject"


def test_a_text_has_an_end() -> None:
    """One character more than allowed is refused."""
    assert field_refused(lambda: bounds.text("a" * 256, "subject")) == "subject"
    assert bounds.text("a" * 1024, "context.user_agent", most=1024)
    assert field_refused(lambda: bounds.text("a" * 1025, "context.user_agent", most=1024)) == "context.user_agent"


def test_a_required_text_is_not_empty() -> None:
    """A field may be absent only where it is not required."""
    assert bounds.text("", "subject") == ""
    assert field_refused(lambda: bounds.text("", "subject", required=True)) == "subject"


@given(st.text(st.characters(), max_size=300))
def test_a_refusal_never_repeats_the_value(value: str) -> None:
    """A refusal's message is made of our words: it cannot carry a secret or a forged line into a log."""
    with pytest.raises(RefusedError) as caught:
        bounds.text(f"canary{value}\n", "subject")
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["a", "phone", "com.example/app:1", "A-Z_a.z~0", "x" * 255])
def test_a_client_id_has_plain_characters(value: str) -> None:
    """A client id is made of characters that need no escaping anywhere."""
    assert bounds.client_id(value) == value


@pytest.mark.parametrize("value", ["", "x" * 256, "a b", "a\n", "\na", "phoné", "a%20", "a;b", "*", "a'b", "\uff41"])
def test_an_odd_client_id_is_refused(value: str) -> None:
    """Everything else is refused under the field's name, a trailing line break included."""
    assert field_refused(lambda: bounds.client_id(value)) == "client_id"
    assert field_refused(lambda: bounds.client_id(value, "acts_for")) == "acts_for"


@pytest.mark.parametrize("check", [bounds.scopes, bounds.audiences])
def test_entries_are_made_distinct_in_their_order(check: Callable[[list[str]], tuple[str, ...]]) -> None:
    """What is named twice counts once, at its first place."""
    assert check(["write", "read", "write"]) == ("write", "read")
    assert check([]) == ()


@pytest.mark.parametrize("check", [bounds.scopes, bounds.audiences])
@pytest.mark.parametrize("value", ["", "a b", "a\tb", "a\n", "é", "\x7f", "x" * 256])
def test_an_odd_entry_is_refused(check: Callable[[list[str]], object], value: str) -> None:
    """One odd entry among good ones is enough."""
    assert field_refused(lambda: check(["read", value])) in {"scopes", "audiences"}


@pytest.mark.parametrize("value", ['a"b', "a\\b"])
def test_a_scope_has_neither_quote_nor_backslash(value: str) -> None:
    """RFC 6749, appendix A.4, leaves these two out of a scope token; an audience may have them."""
    assert field_refused(lambda: bounds.scopes([value])) == "scopes"
    assert bounds.audiences([value]) == (value,)


@pytest.mark.parametrize("check", [bounds.scopes, bounds.audiences])
def test_entries_are_counted_once(check: Callable[[list[str]], tuple[str, ...]]) -> None:
    """A hundred distinct entries are allowed, one more is not; repeating one does not count."""
    hundred = [f"entry-{number}" for number in range(100)]
    assert len(check([*hundred, *hundred])) == 100
    assert field_refused(lambda: check([*hundred, "one-more"]))


def test_authentication_methods_are_few_and_short() -> None:
    """Each entry is a text of its own of up to 64 characters, and there are at most 16."""
    assert bounds.methods(["pwd", "otp", "pwd"], "amr") == ("pwd", "otp", "pwd")
    assert field_refused(lambda: bounds.methods(["pwd", ""], "amr")) == "amr"
    assert field_refused(lambda: bounds.methods(["p\nwd"], "amr")) == "amr"
    assert field_refused(lambda: bounds.methods(["x" * 65], "amr")) == "amr"
    assert field_refused(lambda: bounds.methods(["pwd"] * 17, "amr")) == "amr"


def test_names_are_bounded_in_all() -> None:
    """Scopes that are short enough one by one are refused when they would make the token too long."""
    assert len(bounds.scopes([f"{number:064}" for number in range(64)])) == 64
    assert field_refused(lambda: bounds.scopes([f"{number:064}" for number in range(65)])) == "scopes"


@pytest.mark.parametrize("value", [None, 1000, 10**15])
def test_a_span_is_absent_or_at_least_a_second(value: int | None) -> None:
    """Spans have no upper end here: policies cut them."""
    assert bounds.ttl(value, "access_ttl") == value


@pytest.mark.parametrize("value", [999, 1, 0, -1, -(10**15)])
def test_a_shorter_span_is_refused(value: int) -> None:
    """A token that is dead at once, or before, is nobody's wish."""
    assert field_refused(lambda: bounds.ttl(value, "access_ttl")) == "access_ttl"


def test_a_token_is_only_required() -> None:
    """Any text may be presented as a token; whether it is one, the decoder says, and always in the same way."""
    assert bounds.token("x" * 10**6) == "x" * 10**6
    assert bounds.token("\0\n") == "\0\n"
    assert field_refused(lambda: bounds.token("")) == "token"
