"""Reads JWTs without verifying them."""

import base64
import json
from typing import Any


def header_of(token: str) -> dict[str, Any]:
    """The header."""
    return _segment(token, 0)


def claims_of(token: str) -> dict[str, Any]:
    """The claims set."""
    return _segment(token, 1)


def _segment(token: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[number] + "=="))
    return found
