"""Owns bad refresh tokens: of every kind that somebody can make who has seen good ones, and has no key."""

import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tokensvc.crypto.strict_jwt import decode_object, encode_object
from tokensvc.domain import base64url
from tokensvc.domain.errors import Reason
from tokensvc.domain.refresh_token import JWT_TYPE, PREFIX


@dataclass(frozen=True, slots=True)
class Genuine:
    """Good tokens, by their format."""

    opaque: Sequence[str] = field(repr=False)
    jwt: Sequence[str] = field(repr=False)
    stateless: Sequence[str] = field(repr=False)


def _random(genuine: Genuine) -> str:
    """The right shape, and a key that exists; all else is random, so the tag alone tells."""
    raw = _raw(genuine)
    return _opaque(raw[:1] + secrets.token_bytes(len(raw) - 1))


def _flipped(first: int, end: int, genuine: Genuine) -> str:
    """One bit of the bytes from `first` to `end` is another."""
    raw = _raw(genuine)
    raw[first + secrets.randbelow(end - first)] ^= 1 << secrets.randbelow(8)
    return _opaque(raw)


def _truncated(genuine: Genuine) -> str:
    token = secrets.choice(genuine.opaque)
    return token[: len(PREFIX) + secrets.randbelow(len(token) - len(PREFIX))]


def _unsigned(tokens: Sequence[str]) -> str:
    """Header and claims of a good one with a random tag."""
    return f"{secrets.choice(tokens).rpartition('.')[0]}.{base64url.encode(secrets.token_bytes(32))}"


def _of_another(tokens: Sequence[str]) -> str:
    """Header and tag of a good one with another subject in the claims."""
    header, claims, tag = secrets.choice(tokens).split(".")
    return f"{header}.{encode_object({**(decode_object(claims) or {}), 'sub': secrets.token_hex(8)})}.{tag}"


def _without_algorithm(genuine: Genuine) -> str:
    header = encode_object({"alg": "none", "kid": "1", "typ": JWT_TYPE})
    return f"{header}.{secrets.choice(genuine.jwt).split('.')[1]}."


def _raw(genuine: Genuine) -> bytearray:
    return bytearray(urlsafe_b64decode(secrets.choice(genuine.opaque).removeprefix(PREFIX) + "=="))


def _opaque(raw: bytearray) -> str:
    return PREFIX + base64url.encode(bytes(raw))


FORGERIES: Final[Mapping[str, Callable[[Genuine], str]]] = {
    "random": _random,
    "flipped_body": partial(_flipped, 1, 21),
    "flipped_tag": partial(_flipped, 21, 37),
    "unknown_key": partial(_flipped, 0, 1),
    "truncated": _truncated,
    "jwt_tag": lambda genuine: _unsigned(genuine.jwt),
    "jwt_claims": lambda genuine: _of_another(genuine.jwt),
    "jwt_alg_none": _without_algorithm,
    "stateless_tag": lambda genuine: _unsigned(genuine.stateless),
    "stateless_claims": lambda genuine: _of_another(genuine.stateless),
    "garbage": lambda _: secrets.token_urlsafe(1 + secrets.randbelow(100)),
    "empty": lambda _: "",
}

EXPECTED: Final[Mapping[str, Reason]] = {
    **dict.fromkeys(FORGERIES, Reason.REFRESH_TOKEN_INVALID),
    "empty": Reason.INVALID_REQUEST,
}
"""Why each kind has to be refused."""
