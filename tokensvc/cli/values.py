"""Owns the kinds of values that options and arguments take."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from tokensvc.domain.client import Permission

C = TypeVar("C", bound=StrEnum)

_SPAN = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LONGEST_TOKEN = _LONGEST_FILE = 65_536
_LARGEST_NUMBER = 2**53


class SpanType(click.ParamType[timedelta, Any]):
    """A span like 30s, 5m, 12h or 30d."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read the span."""
        match = _SPAN.fullmatch(str(value))
        if not match:
            self.fail("is not a span like 30s, 5m, 12h or 30d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


class MomentType(click.ParamType[datetime, Any]):
    """A moment like 2027-01-15T08:00:00Z (RFC 3339)."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the moment."""
        try:
            if _MOMENT.fullmatch(str(value)):
                return datetime.fromisoformat(str(value).upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        self.fail("is not a moment like 2027-01-15T08:00:00Z", param, ctx)


class ClaimType(click.ParamType[tuple[str, Any], Any]):
    """A claim as NAME=JSON. Its value may be private, so no error repeats it."""

    name = "name=json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Read the claim."""
        name, separator, text = str(value).partition("=")
        if not name or not separator:
            self.fail("is not of the form NAME=JSON", param, ctx)
        try:
            return name, json.loads(text, parse_int=_exact, parse_constant=_refuse)
        except (ValueError, RecursionError):
            hint = f"""the value of {name} is not JSON (a text is written '{name}="text"') or is too large a number"""
            self.fail(hint, param, ctx)


class PermissionsType(click.ParamType[tuple[Permission, ...], Any]):
    """Permissions, separated by commas; an empty text has none."""

    name = "permission"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Permission, ...]:
        """Read the permissions."""
        try:
            return tuple(Permission(word.strip()) for word in str(value).split(",")) if value else ()
        except ValueError:
            self.fail(f"is not among: {', '.join(Permission)}", param, ctx)


class ChoiceType(click.Choice[C]):
    """One of an enum's values, written with dashes as options are, or with underscores as they are shown."""

    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:  # noqa: ARG002 - it is click's
        """The spelling by which values are compared."""
        return str(choice).replace("_", "-")


class TextOrFileType(click.ParamType[str, Any]):
    """A text, or @PATH for what stands in a file."""

    name = "text or @path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the text."""
        if not str(value).startswith("@"):
            return str(value)
        try:
            with Path(str(value)[1:]).open(encoding="utf-8") as file:
                return file.read(_LONGEST_FILE)
        except (OSError, UnicodeDecodeError) as error:
            self.fail(f"cannot read the file: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}", param, ctx)


class TokenType(click.ParamType[str, Any]):
    """A token, or - to read it from standard input, so that it need not stand in the shell's history."""

    name = "token"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the token."""
        try:
            text = sys.stdin.read(_LONGEST_TOKEN) if value == "-" else str(value)
        except UnicodeDecodeError:
            self.fail("standard input is not text", param, ctx)
        return text.strip() or self.fail("no token was given", param, ctx)


SPAN: Final = SpanType()
MOMENT: Final = MomentType()
CLAIM: Final = ClaimType()
PERMISSIONS: Final = PermissionsType()
TOKEN: Final = TokenType()
TEXT_OR_FILE: Final = TextOrFileType()


def _exact(text: str) -> int:
    """Claims travel as doubles (google.protobuf.Struct); what would arrive as another number is refused here."""
    number = int(text)
    if abs(number) > _LARGEST_NUMBER:
        raise ValueError
    return number


def _refuse(_constant: str) -> None:
    raise ValueError
