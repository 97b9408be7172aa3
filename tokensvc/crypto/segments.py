"""Owns the segments of a JWT: read strictly as long as nothing in them is trusted (RFC 7515)."""

import json
from collections.abc import Mapping

import orjson

from tokensvc.domain import base64url
from tokensvc.domain.access_token import Claims

SEGMENTS = 3

_encode_any_json = json.JSONEncoder(separators=(",", ":")).encode


def encode_object(value: Mapping[str, object]) -> str:
    """Write a JSON object of our own making as a segment: its integers need no more than 64 bits."""
    return base64url.encode(orjson.dumps(value))


def encode_any_object(value: Mapping[str, object]) -> str:
    """The same of one in which a caller has put what it likes; it is as long as Issue has reckoned."""
    return base64url.encode(_encode_any_json(value).encode())


def decode_object(segment: str) -> Claims | None:
    """Decode a JSON object; None if it is none, names a member twice, or is nested too deeply."""
    data = base64url.decode(segment)
    if data is None:
        return None
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def decode_own_object(segment: str) -> Claims | None:
    """Decode a JSON object that we have written, as a MAC has proved; None if it is none."""
    try:
        value = orjson.loads(base64url.decode_own(segment))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _distinct(pairs: list[tuple[str, object]]) -> Claims:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
