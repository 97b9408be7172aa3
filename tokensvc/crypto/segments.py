"""Owns the segments of a JWT: written in one way, and read strictly, before anything in them is trusted (RFC 7515)."""

import base64
import binascii
import json
from collections.abc import Mapping

from tokensvc.domain.access_token import Claims

SEGMENTS = 3

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

_encode_json = json.JSONEncoder(separators=(",", ":")).encode


def encode_object(value: Mapping[str, object]) -> str:
    """Write a JSON object as a segment."""
    return encode_segment(_encode_json(value).encode())


def encode_segment(data: bytes) -> str:
    """Write bytes as base64url without padding (RFC 7515, 2)."""
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def decode_segment(segment: str) -> bytes | None:
    """Decode base64url without padding; None unless it is the one canonical spelling (RFC 7515, 2)."""
    try:
        data = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encode_segment(data) == segment else None


def decode_object(segment: str) -> Claims | None:
    """Decode a JSON object; None if it is none, names a member twice, or is nested too deeply."""
    data = decode_segment(segment)
    if data is None:
        return None
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _distinct(pairs: list[tuple[str, object]]) -> Claims:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
