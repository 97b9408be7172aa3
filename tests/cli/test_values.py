"""What the options' values may look like."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest

from tokensvc.cli.values import CLAIM, MOMENT, PERMISSIONS, SPAN, ChoiceType
from tokensvc.domain.client import Permission
from tokensvc.domain.policy import BindingAction


def read(kind: click.ParamType[Any, Any], text: str) -> Any:
    """Read `text` as an option's value."""
    return kind.convert(text, None, None)


def refuse(kind: click.ParamType[Any, Any], text: str) -> str:
    """Answer how `text` is refused."""
    with pytest.raises(click.BadParameter) as caught:
        read(kind, text)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0s", timedelta(0)),
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
    ],
)
def test_a_span_has_a_unit(text: str, span: timedelta) -> None:
    """Seconds, minutes, hours and days."""
    assert read(SPAN, text) == span


@pytest.mark.parametrize("text", ["", "5", "s", "500ms", "-1s", "1.5h", "5 m", "\u0665m", "5m\n", "9999999999d"])
def test_what_is_no_span_is_refused(text: str) -> None:
    """Anything else is refused, and the error says what a span looks like."""
    assert "30s" in refuse(SPAN, text)


@pytest.mark.parametrize("text", ["2027-01-15T08:00:00Z", "2027-01-15t09:00:00.000+01:00", "2027-01-15T08:00:00z"])
def test_a_moment_is_rfc_3339(text: str) -> None:
    """Any offset is read as the same moment."""
    assert read(MOMENT, text) == datetime(2027, 1, 15, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "now", "2027-01-15", "2027-01-15T08:00:00", "2027-13-15T08:00:00Z", "0001-01-01T00:00:00+01:00"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """A moment without an offset could be any of two dozen, so it is refused as well."""
    assert "2027-01-15T08:00:00Z" in refuse(MOMENT, text)


@pytest.mark.parametrize(
    ("text", "value"), [('a="x=y"', "x=y"), ("a=3", 3), ("a=[1.5, null]", [1.5, None]), ("a=9007199254740992", 2**53)]
)
def test_a_claim_has_a_json_value(text: str, value: object) -> None:
    """What follows the first equals sign is JSON."""
    assert read(CLAIM, text) == ("a", value)


@pytest.mark.parametrize("value", ["private", "", "NaN", "1.", "9007199254740993", "[" * 50_000])
def test_what_is_no_json_is_refused_and_not_repeated(value: str) -> None:
    """A number that would arrive as another is refused too, and the error shows the name alone."""
    assert refuse(CLAIM, f"a={value}") == refuse(CLAIM, "a=something else")


@pytest.mark.parametrize("text", ["private", "=private"])
def test_a_claim_without_a_name_is_refused(text: str) -> None:
    """The error says what a claim looks like."""
    assert refuse(CLAIM, text) == "is not of the form NAME=JSON"


def test_permissions_are_separated_by_commas() -> None:
    """One option may name several."""
    assert read(PERMISSIONS, "issue, watch") == (Permission.ISSUE, Permission.WATCH)


def test_no_permissions_are_an_empty_text() -> None:
    """So an update can take them all away."""
    assert read(PERMISSIONS, "") == ()


def test_an_unknown_permission_is_refused() -> None:
    """The error lists those that there are."""
    assert "introspect" in refuse(PERMISSIONS, "issue,fly")


@pytest.mark.parametrize("text", ["end-session", "end_session"])
def test_a_choice_has_dashes_or_underscores(text: str) -> None:
    """It may be typed as the help has it, or pasted as `client show` has it."""
    assert read(ChoiceType(BindingAction), text) is BindingAction.END_SESSION


@pytest.mark.parametrize("text", ["", "END-SESSION", "END_SESSION", "end"])
def test_another_choice_is_refused(text: str) -> None:
    """The error lists those that there are."""
    assert "end-session" in refuse(ChoiceType(BindingAction), text)
