"""Owns how a client's row tells of its method of authentication, also one that another version has written."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from tokensvc.domain.client import Client
from tokensvc.domain.client_authentication import NO_KEYS, AuthMethod, ClientKeys

_KNOWN = frozenset(field.name for field in fields(ClientKeys))


def authentication_document(client: Client) -> dict[str, Any]:
    """What the client's details say of it: nothing of one that has a secret, and of a public one, as ever."""
    document: dict[str, Any] = {}
    if client.auth_method is not _by_secret(client.secret_hash):
        document["auth_method"] = client.auth_method
    if client.keys != NO_KEYS:
        document["keys"] = {name: value for name, value in asdict(client.keys).items() if value}
    return document


def is_known(details: Mapping[str, Any]) -> bool:
    """Whether this version knows all that `details` say of it."""
    method = details.get("auth_method")
    return method in (None, *AuthMethod) and details.get("keys", {}).keys() <= _KNOWN


def authentication_from(details: Mapping[str, Any], secret_hash: bytes | None) -> dict[str, Any]:
    """The client's fields that are about it. By a method that this version does not know, nobody authenticates here."""
    named = details.get("auth_method", _by_secret(secret_hash))
    method = AuthMethod(named) if named in set(AuthMethod) else None
    keys = {name: value for name, value in details.get("keys", {}).items() if name in _KNOWN}
    if "algorithms" in keys:
        keys["algorithms"] = tuple(keys["algorithms"])
    return {
        "auth_method": method,
        "keys": ClientKeys(**keys),
        "secret_hash": secret_hash if method is AuthMethod.SECRET else None,
    }


def _by_secret(secret_hash: bytes | None) -> AuthMethod | None:
    """What a row says that names no method."""
    return None if secret_hash is None else AuthMethod.SECRET
