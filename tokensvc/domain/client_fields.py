"""Owns the fields of a client that can be changed, by their paths in the proto's message Client."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from tokensvc.domain.client import Client
from tokensvc.domain.client_authentication import ClientKeys
from tokensvc.domain.policy import BindingPolicy, ExchangePolicy, TokenPolicy
from tokensvc.domain.rate_limit import RateLimit

_NAMES_HERE = {"token_policy": "policy"}

LEAVES: Final = (
    *("name", "disabled", "permissions", "acts_for", "audiences", "auth_method"),
    *(f"keys.{field.name}" for field in fields(ClientKeys)),
    *(f"token_policy.{field.name}" for field in fields(TokenPolicy) if field.name != "binding"),
    *(f"token_policy.binding.{field.name}" for field in fields(BindingPolicy)),
    *(f"exchange_policy.{field.name}" for field in fields(ExchangePolicy)),
    *(f"rate_limit.{field.name}" for field in fields(RateLimit)),
)
CHANGEABLE: Final = frozenset(
    {*LEAVES, "keys", "token_policy", "token_policy.binding", "exchange_policy", "rate_limit"}
)


def value_at(client: Client, path: str) -> Any:
    """Answer what stands at a path of CHANGEABLE."""
    value: Any = client
    for name in path.split("."):
        value = getattr(value, _NAMES_HERE.get(name, name))
    return value


def changed(client: Client, values: Mapping[str, Any]) -> Client:
    """Answer `client` with the new `values` at their paths, which are of CHANGEABLE; wholes go before their parts.

    With another method of authentication it keeps nothing of the one before.
    """
    client = client.with_method(values.get("auth_method", client.auth_method))
    for path in sorted(values):
        client = _with(client, path.split("."), values[path])
    return client


def _with(whole: Any, names: Sequence[str], value: Any) -> Any:
    name = _NAMES_HERE.get(names[0], names[0])
    return replace(whole, **{name: _with(getattr(whole, name), names[1:], value) if names[1:] else value})


def differences(before: Client, after: Client) -> tuple[str, ...]:
    """Answer the paths of the single fields in which the two differ."""
    return tuple(path for path in LEAVES if value_at(before, path) != value_at(after, path))
