"""Owns the pages of lists: how many entries one has, and the token that says where the next one begins."""

import base64
import re
from typing import Final

from tokensvc.domain.errors import invalid

DEFAULT_PAGE: Final = 100
LARGEST_PAGE: Final = 1000


def page_size(wanted: int) -> int:
    """The entries of a page; refuses a number out of bounds."""
    if not 0 <= wanted <= LARGEST_PAGE:
        raise invalid("page_size", f"page_size is not 0 to {LARGEST_PAGE}")
    return wanted or DEFAULT_PAGE


def page_token(place: str) -> str:
    """The token of the page that begins behind `place`."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def place_in(token: str, pattern: re.Pattern[str]) -> re.Match[str]:
    """The place in a page token; refuses one that this service has not written."""
    try:
        place = pattern.fullmatch(base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii"))
    except ValueError:
        place = None
    if place is None or page_token(place[0]) != token:
        raise invalid("page_token", "page_token is not one of this service's")
    return place
