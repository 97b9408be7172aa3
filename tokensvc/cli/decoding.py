"""Owns explaining a token offline: what it says, never whether it is genuine."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tokensvc.cli.failures import USAGE, CommandError
from tokensvc.cli.output import Document
from tokensvc.domain.refresh_token import HANDLE_BYTES, HANDLE_CLAIM, JWT_TYPE, PREFIX, parse, session_id_of

_NOT_CHECKED = "not checked"
_MOMENTS = {"iat": "issued_at", "nbf": "not_before", "exp": "expires_at", "auth_time": "authenticated_at"}
_SEGMENTS = 3


def explain(token: str) -> Document:
    """Answer what `token` says; fails without repeating it if it is neither a refresh token nor a JWT."""
    document = _refresh_token(token) if token.startswith(PREFIX) else _jwt(token)
    if document is None:
        raise CommandError("this is neither a refresh token of this service nor a JWT", exit_code=USAGE)
    return document


def _refresh_token(token: str) -> Document | None:
    """All but the handle, which makes the token a secret."""
    body = parse(token)
    if body is None:
        return None
    handle, generation = body[1 : 1 + HANDLE_BYTES], body[1 + HANDLE_BYTES : 5 + HANDLE_BYTES]
    return {
        "kind": "refresh token",
        "signature": _NOT_CHECKED,
        "format": PREFIX.rstrip("_"),
        "key_id": body[0],
        "session_id": session_id_of(handle),
        "generation": int.from_bytes(generation, "big"),
    }


def _jwt(token: str) -> Document | None:
    """All but the handle that a refresh token may hold."""
    segments = token.split(".")
    if len(segments) != _SEGMENTS:
        return None
    try:
        header, claims = map(_json_object, segments[:2])
    except (ValueError, RecursionError):
        return None
    claims = {name: value for name, value in claims.items() if name != HANDLE_CLAIM}
    moments = {name: _moment(claims.get(claim)) for claim, name in _MOMENTS.items()}
    present = {name: moment for name, moment in moments.items() if moment is not None}
    kind = "refresh token" if header.get("typ") == JWT_TYPE else "JWT"
    return {"kind": kind, "signature": _NOT_CHECKED, "header": header, "claims": claims, **present}


def _json_object(segment: str) -> Mapping[str, Any]:
    data = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    value = json.loads(data, parse_constant=_refuse)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the caller asks whether it is a JWT, not of which type
    return value


def _refuse(_constant: str) -> None:
    raise ValueError("not JSON")


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
