"""Owns the translation of token policies between protobuf and domain: what is unspecified there has a default here."""

from enum import StrEnum
from typing import Any, Generic, TypeVar

from google.protobuf import duration_pb2
from tokensvc_pb.v1 import client_service_pb2 as pb

from tokensvc.domain.errors import invalid
from tokensvc.domain.policy import (
    DEFAULT_POLICY,
    BindingAction,
    BindingPolicy,
    RefreshTokenFormat,
    Rotation,
    SenderConstraint,
    SessionLimitAction,
    TokenPolicy,
)
from tokensvc.rpc import convert

C = TypeVar("C", bound=StrEnum)


class Choices(Generic[C]):
    """An enum of the proto, whose values are named as those of an enum of the domain, behind a prefix."""

    def __init__(self, in_proto: Any, in_domain: type[C]) -> None:
        prefix = in_proto.Name(0).removesuffix("UNSPECIFIED")
        self._numbers: dict[C, Any] = {choice: in_proto.Value(prefix + choice.name) for choice in in_domain}
        self._choices = {number: choice for choice, number in self._numbers.items()}

    def choice(self, number: int, field: str, default: C | None = None) -> C:
        """The choice of `number`, `default` for the unspecified one; refuses a number that means nothing here."""
        found = self._choices.get(number, None if number else default)
        if found is None:
            raise invalid(field, f"{field} is unspecified, or a number that this server does not know")
        return found

    def number(self, choice: C) -> Any:
        """The value of the proto's enum."""
        return self._numbers[choice]


ROTATIONS = Choices(pb.RotationPolicy, Rotation)
FORMATS = Choices(pb.RefreshTokenFormat, RefreshTokenFormat)
ACTIONS = Choices(pb.BindingAction, BindingAction)
LIMIT_ACTIONS = Choices(pb.SessionLimitAction, SessionLimitAction)
CONSTRAINTS = Choices(pb.SenderConstraint, SenderConstraint)


def policy_of(message: pb.TokenPolicy) -> TokenPolicy:
    """The policy in `message`, not yet checked for bounds."""
    default = DEFAULT_POLICY
    with convert.within("binding"):
        binding = _binding_of(message.binding)
    return TokenPolicy(
        access_ttl=_span(message, "access_ttl"),
        refresh_idle_ttl=_span(message, "refresh_idle_ttl"),
        refresh_absolute_ttl=_span(message, "refresh_absolute_ttl"),
        retry_window=_span(message, "retry_window"),
        scopes=tuple(message.scopes),
        audiences=tuple(message.audiences),
        rotation=ROTATIONS.choice(message.rotation, "rotation", default.rotation),
        rotation_interval=_span(message, "rotation_interval"),
        refresh_token_format=FORMATS.choice(
            message.refresh_token_format, "refresh_token_format", default.refresh_token_format
        ),
        max_sessions=message.max_sessions,
        session_limit_action=LIMIT_ACTIONS.choice(
            message.session_limit_action, "session_limit_action", default.session_limit_action
        ),
        binding=binding,
        sender_constraint=CONSTRAINTS.choice(message.sender_constraint, "sender_constraint", default.sender_constraint),
    )


def _binding_of(message: pb.BindingPolicy) -> BindingPolicy:
    default = DEFAULT_POLICY.binding
    return BindingPolicy(
        device=ACTIONS.choice(message.device, "device", default.device),
        ip=ACTIONS.choice(message.ip, "ip", default.ip),
        user_agent=ACTIONS.choice(message.user_agent, "user_agent", default.user_agent),
        credential_version=ACTIONS.choice(message.credential_version, "credential_version", default.credential_version),
        ipv4_prefix_length=message.ipv4_prefix_length or default.ipv4_prefix_length,
        ipv6_prefix_length=message.ipv6_prefix_length or default.ipv6_prefix_length,
    )


def _span(message: pb.TokenPolicy, name: str) -> int:
    given = convert.span_of(message, name)
    default: int = getattr(DEFAULT_POLICY, name)
    return default if given is None else given


def policy_message(policy: TokenPolicy) -> pb.TokenPolicy:
    """The policy as ClientService shows it, with everything said that holds."""
    binding = policy.binding
    return pb.TokenPolicy(
        access_ttl=_duration(policy.access_ttl),
        refresh_idle_ttl=_duration(policy.refresh_idle_ttl),
        refresh_absolute_ttl=_duration(policy.refresh_absolute_ttl),
        retry_window=_duration(policy.retry_window),
        scopes=policy.scopes,
        audiences=policy.audiences,
        rotation=ROTATIONS.number(policy.rotation),
        rotation_interval=_duration(policy.rotation_interval),
        refresh_token_format=FORMATS.number(policy.refresh_token_format),
        max_sessions=policy.max_sessions,
        session_limit_action=LIMIT_ACTIONS.number(policy.session_limit_action),
        binding=pb.BindingPolicy(
            device=ACTIONS.number(binding.device),
            ip=ACTIONS.number(binding.ip),
            user_agent=ACTIONS.number(binding.user_agent),
            credential_version=ACTIONS.number(binding.credential_version),
            ipv4_prefix_length=binding.ipv4_prefix_length,
            ipv6_prefix_length=binding.ipv6_prefix_length,
        ),
        sender_constraint=CONSTRAINTS.number(policy.sender_constraint),
    )


def _duration(milliseconds: int) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)
