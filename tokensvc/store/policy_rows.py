"""Owns how a client's policies are read back from a row that another version may have written."""

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from tokensvc.domain.policy import (
    NO_EXCHANGE,
    BindingAction,
    BindingPolicy,
    ExchangePolicy,
    RefreshTokenFormat,
    Rotation,
    SenderConstraint,
    SessionLimitAction,
    TokenPolicy,
)

_CHOICES: Mapping[str, type[StrEnum]] = {
    "rotation": Rotation,
    "refresh_token_format": RefreshTokenFormat,
    "session_limit_action": SessionLimitAction,
    "sender_constraint": SenderConstraint,
}
_ACTIONS = ("device", "ip", "user_agent", "credential_version")
_KNOWN = frozenset(field.name for field in fields(TokenPolicy))
_KNOWN_BINDINGS = frozenset(field.name for field in fields(BindingPolicy))
_KNOWN_OF_EXCHANGES = frozenset(field.name for field in fields(ExchangePolicy))
_DEVICE_ALONE = "bind_device"  # as versions before BindingPolicy wrote it


def is_known(document: Mapping[str, Any]) -> bool:
    """Whether this version knows all that `document` names, so that `policy_from` leaves nothing out."""
    return document.keys() <= _KNOWN | {_DEVICE_ALONE} and document.get("binding", {}).keys() <= _KNOWN_BINDINGS


def policy_from(document: Mapping[str, Any]) -> TokenPolicy:
    """The policy in `document`. What this version does not know is left out; what is absent has its default.

    A choice that this version does not know raises ValueError: to guess how tokens are to be protected would be worse.
    """
    values = {name: value for name, value in document.items() if name in _KNOWN}
    for name in ("scopes", "audiences"):
        values[name] = tuple(values.get(name, ()))
    for name in _CHOICES.keys() & values.keys():
        values[name] = _CHOICES[name](values[name])
    values["binding"] = _binding_from(values.get("binding", {}), bound_to_device=document.get(_DEVICE_ALONE, False))
    return TokenPolicy(**values)


def _binding_from(document: Mapping[str, Any], *, bound_to_device: bool) -> BindingPolicy:
    values = {name: value for name, value in document.items() if name in _KNOWN_BINDINGS}
    for name in values.keys() & set(_ACTIONS):
        values[name] = BindingAction(values[name])
    if bound_to_device:
        values.setdefault("device", BindingAction.REJECT)
    return BindingPolicy(**values)


def exchange_is_known(document: Mapping[str, Any]) -> bool:
    """Whether this version knows all that `document` says of exchanges."""
    return document.keys() <= _KNOWN_OF_EXCHANGES


def exchange_document(policy: ExchangePolicy) -> Mapping[str, Any]:
    """What a row says of a policy for exchanges."""
    return {name: sorted(getattr(policy, name)) for name in sorted(_KNOWN_OF_EXCHANGES)}


def exchange_policy_from(document: Mapping[str, Any]) -> ExchangePolicy:
    """The policy for exchanges in `document`; what is not known here may be a limit, so nothing is traded then."""
    if not exchange_is_known(document):
        return NO_EXCHANGE
    return ExchangePolicy(**{name: frozenset(values) for name, values in document.items()})
