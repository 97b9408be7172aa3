"""Owns what a well-formed value is: lengths, characters and counts, checked before anything else is done."""

import re
from collections.abc import Iterable, Sequence

from tokensvc.domain.errors import invalid
from tokensvc.domain.revocation import OWN_REASON

MAX_NAME = 255
MAX_USER_AGENT = 1024
MAX_TOKEN = 32_768  # what can be longer with all fields at their limits is refused by Issue
MAX_ITEMS = 100
MAX_NAMES = 4096
MAX_METHODS = 16
MAX_METHOD = 64
MAX_CLAIMS_BYTES = 4096

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")  # RFC 6749, appendix A.4
_AUDIENCE = re.compile(r"[\x21-\x7e]{1,255}")
CLIENT_ID = re.compile(r"[A-Za-z0-9._~:/-]{1,255}")


def text(value: str, field: str, *, most: int = MAX_NAME, required: bool = False) -> str:
    """Answer `value` if it is at most `most` characters without control characters; else refuse, naming `field`."""
    if required and not value:
        raise invalid(field, f"{field} is required")
    if len(value) > most:
        raise invalid(field, f"{field} is longer than {most} characters")
    if _CONTROL.search(value):
        raise invalid(field, f"{field} has control characters")
    return value


def reason(value: str) -> str:
    """Answer `value` if it may be a caller's reason: a text, and not in the words of this service's own."""
    if text(value, "reason").startswith(OWN_REASON):
        raise invalid("reason", "reason begins with words that are this service's own")
    return value


def client_id(value: str, field: str = "client_id") -> str:
    """Answer `value` if it can be the name of a client."""
    if not CLIENT_ID.fullmatch(value):
        raise invalid(field, f"{field} is not 1 to {MAX_NAME} of the characters A-Z a-z 0-9 . _ ~ - : /")
    return value


def scopes(values: Iterable[str], field: str = "scopes") -> tuple[str, ...]:
    """Answer the distinct `values` in their order if all are scope tokens (RFC 6749, 3.3)."""
    return _distinct(values, field, _SCOPE)


def audiences(values: Iterable[str], field: str = "audiences") -> tuple[str, ...]:
    """Answer the distinct `values` in their order if all are printable ASCII without spaces."""
    return _distinct(values, field, _AUDIENCE)


def _distinct(values: Iterable[str], field: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(values))
    if len(distinct) > MAX_ITEMS:
        raise invalid(field, f"{field} has more than {MAX_ITEMS} entries")
    if sum(map(len, distinct)) > MAX_NAMES:
        raise invalid(field, f"{field} is longer than {MAX_NAMES} characters in all")
    if not all(map(pattern.fullmatch, distinct)):
        raise invalid(field, f"{field} has an entry that is empty, too long or has characters that are not allowed")
    return distinct


def methods(values: Sequence[str], field: str) -> tuple[str, ...]:
    """Answer `values` as a tuple if they can be authentication method references (RFC 8176)."""
    if len(values) > MAX_METHODS:
        raise invalid(field, f"{field} has more than {MAX_METHODS} entries")
    return tuple(text(value, field, most=MAX_METHOD, required=True) for value in values)


def ttl(value: int | None, field: str) -> int | None:
    """Answer the span `value` in milliseconds if it is absent or at least one second."""
    if value is not None and value < 1000:  # noqa: PLR2004 - one second, in milliseconds
        raise invalid(field, f"{field} is shorter than 1 second")
    return value


def token(value: str, field: str = "token") -> str:
    """Answer `value` if it is present; one that is too long to be a token is left for the decoder to refuse."""
    if not value:
        raise invalid(field, f"{field} is required")
    return value
