"""Owns the form of JWTs: every kind is taken apart here, strictly as long as nothing in it is trusted (RFC 8725).

A reader says how long its kind may be, which types it is of and which registered key has signed it. A token never says
how it is to be verified: its algorithm is compared with that of the key.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import orjson

from tokensvc.crypto.algorithms import ALGORITHMS, Public
from tokensvc.domain import base64url
from tokensvc.domain.bounds import MAX_TOKEN
from tokensvc.domain.claims import Claims

_DOTS: Final = 2
_MAX_HEADER: Final = 2048
_MAX_DEPTH: Final = 64
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{\[]|[}\]]', re.DOTALL)  # a text that does not end goes on to the end

_encode_any_json = json.JSONEncoder(separators=(",", ":")).encode


class Jwt(NamedTuple):
    """The parts of a JWT in compact form, as they are written: segments, and what is signed of them."""

    header: str
    claims: str
    signature: str
    signing_input: str


def taken_apart(text: str, *, most: int = MAX_TOKEN) -> Jwt | None:
    """The parts of a JWT of `most` characters; None if it has not three of them (RFC 7515, 7.1)."""
    if len(text) > most or text.count(".") != _DOTS or not text.isascii():
        return None
    signing_input, _, signature = text.rpartition(".")
    header, _, claims = signing_input.partition(".")
    return Jwt(header, claims, signature, signing_input)


def read_header(segment: str, types: Collection[str | None], *, most: int = _MAX_HEADER) -> Claims | None:
    """Read a header of `most` characters that is of one of the `types`, where None stands for one that names none.

    One with members that change what the rest means is refused. Others are for the reader to compare or to ignore:
    nothing here follows them.
    """
    header = decode_object(segment) if len(segment) <= most else None
    if header is None or "crit" in header or "b64" in header:  # RFC 7515, 4.1.11; RFC 7797
        return None
    type_ = header.get("typ")
    is_named = isinstance(type_, str) or "typ" not in header
    return header if is_named and type_ in types else None


def is_signed(jwt: Jwt, algorithm: str, public: Public) -> bool:
    """Whether `jwt` is signed by the private part of `public`, by that `algorithm`, in the one spelling there is."""
    signature = base64url.decode(jwt.signature)
    if signature is None:
        return False
    return ALGORITHMS[algorithm].verify(public, jwt.signing_input.encode("ascii"), signature)


def encode_object(value: Mapping[str, object]) -> str:
    """Write a JSON object of our own making as a segment: its integers need no more than 64 bits."""
    return base64url.encode(orjson.dumps(value))


def encode_any_object(value: Mapping[str, object]) -> str:
    """The same of one in which a caller has put what it likes; it is as long as Issue has reckoned."""
    return base64url.encode(_encode_any_json(value).encode())


def decode_object(segment: str) -> Claims | None:
    """Decode a segment with a JSON object, as `read_object`; None if it is none."""
    data = base64url.decode(segment)
    return None if data is None else read_object(data)


def read_object(data: bytes) -> Claims | None:
    """Read a JSON object; None if it is none, names a member twice, or is nested too deeply to be looked into."""
    if _is_deep(data):
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


def _is_deep(data: bytes) -> bool:
    if data.count(b"{") + data.count(b"[") <= _MAX_DEPTH:  # as nearly always
        return False
    depth = deepest = 0
    for token in _STRUCTURE.findall(data):
        depth += (token in b"{[") - (token in b"}]")
        deepest = max(deepest, depth)
    return deepest > _MAX_DEPTH


def _distinct(pairs: list[tuple[str, object]]) -> Claims:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
