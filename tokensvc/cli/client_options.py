"""Owns the options that describe a client: one for each field that can be changed, alike in create and update."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

import click

from tokensvc.cli.options import Function
from tokensvc.cli.output import span_text
from tokensvc.cli.values import PERMISSIONS, SPAN, TEXT_OR_FILE, ChoiceType
from tokensvc.domain.client import Client
from tokensvc.domain.client_authentication import AuthMethod
from tokensvc.domain.client_fields import value_at
from tokensvc.domain.policy import BindingAction, RefreshTokenFormat, Rotation, SenderConstraint, SessionLimitAction

_DEFAULTS = Client("")
_ACTION = ChoiceType(BindingAction)


@dataclass(frozen=True, slots=True)
class _Option:
    flag: str
    path: str
    help: str
    type: click.ParamType[Any, Any] = click.STRING
    metavar: str | None = None

    @property
    def parameter(self) -> str:
        """The name by which click hands the value over."""
        return self.path.replace(".", "__")

    @property
    def default(self) -> Any:
        """What holds when nothing is said."""
        return value_at(_DEFAULTS, self.path)

    @property
    def is_multiple(self) -> bool:
        return isinstance(self.default, tuple | frozenset)

    def help_when(self, *, creating: bool) -> str:
        """The help, with the default where one counts."""
        if creating and not self.is_multiple and self.default not in ("", None):
            return f"{self.help} [default: {self._shown(self.default)}]"
        return self.help if creating or not self.is_multiple else f"{self.help} Replaces all of them; '' for none."

    def _shown(self, value: Any) -> str:
        if self.type is SPAN:
            return span_text(timedelta(milliseconds=value))
        return str(value).replace("_", "-")

    def value(self, given: Any) -> Any:
        """The field's new value for what click hands over."""
        if isinstance(given, timedelta):
            return given // timedelta(milliseconds=1)
        if not self.is_multiple:
            return given
        entries = chain.from_iterable(given) if self.type is PERMISSIONS else (() if given == ("",) else given)
        return type(self.default)(entries)


_OPTIONS = (
    _Option("--name", "name", "What people call it."),
    _Option("--permission", "permissions", "What it may do.", PERMISSIONS),
    _Option("--acts-for", "acts_for", "Client that it may act for; '*' for all.", metavar="ID"),
    _Option("--answers-for", "audiences", "Audience whose tokens it may introspect.", metavar="AUDIENCE"),
    _Option("--auth-method", "auth_method", "How it authenticates; by a secret if not given.", ChoiceType(AuthMethod)),
    _Option("--jwks", "keys.jwks", "Public keys for private-key-jwt, a JWK Set.", TEXT_OR_FILE, metavar="JSON|@FILE"),
    _Option("--algorithm", "keys.algorithms", "Algorithm that its assertions may use; without any, all of its keys."),
    _Option("--tls-spiffe-id", "keys.tls_spiffe_id", "SPIFFE ID that its certificate names, for tls."),
    _Option("--tls-dns-name", "keys.tls_dns_name", "DNS name that its certificate names, for tls."),
    _Option("--tls-sha256", "keys.tls_sha256", "SHA-256 fingerprint of its certificate, for tls."),
    _Option("--scope", "token_policy.scopes", "Scope that its tokens may have."),
    _Option("--audience", "token_policy.audiences", "Audience that its tokens may have; without any, the issuer."),
    _Option("--access-ttl", "token_policy.access_ttl", "Longest life of an access token.", SPAN),
    _Option(
        "--refresh-idle-ttl", "token_policy.refresh_idle_ttl", "A session ends after this time without a refresh.", SPAN
    ),
    _Option(
        "--refresh-absolute-ttl", "token_policy.refresh_absolute_ttl", "A session ends after this time anyway.", SPAN
    ),
    _Option("--rotation", "token_policy.rotation", "When a refresh token is replaced.", ChoiceType(Rotation)),
    _Option(
        "--rotation-interval",
        "token_policy.rotation_interval",
        "Periodic: how old a refresh token gets. Selective: how old a login is that makes each refresh rotate.",
        SPAN,
    ),
    _Option("--retry-window", "token_policy.retry_window", "How long a repeated refresh gets the same answer.", SPAN),
    _Option(
        "--refresh-token-format",
        "token_policy.refresh_token_format",
        "What a refresh token looks like.",
        ChoiceType(RefreshTokenFormat),
    ),
    _Option("--max-sessions", "token_policy.max_sessions", "Live sessions of a subject; 0: any number.", click.INT),
    _Option(
        "--at-session-limit",
        "token_policy.session_limit_action",
        "What a login beyond them does.",
        ChoiceType(SessionLimitAction),
    ),
    _Option("--bind-device", "token_policy.binding.device", "When another device refreshes.", _ACTION),
    _Option("--bind-ip", "token_policy.binding.ip", "When the address has another prefix.", _ACTION),
    _Option("--bind-user-agent", "token_policy.binding.user_agent", "When another app or browser refreshes.", _ACTION),
    _Option(
        "--bind-credentials",
        "token_policy.binding.credential_version",
        "When the user's credentials have changed.",
        _ACTION,
    ),
    _Option(
        "--ipv4-prefix", "token_policy.binding.ipv4_prefix_length", "Bits of an IPv4 address that count.", click.INT
    ),
    _Option(
        "--ipv6-prefix", "token_policy.binding.ipv6_prefix_length", "Bits of an IPv6 address that count.", click.INT
    ),
    _Option(
        "--sender-constraint",
        "token_policy.sender_constraint",
        "Key that its tokens must be bound to.",
        ChoiceType(SenderConstraint),
    ),
)


def describing_a_client(*, creating: bool) -> Callable[[Function], Function]:
    """Add all options; in `creating` one their help shows what holds without them."""

    def decorate(function: Function) -> Function:
        for option in reversed(_OPTIONS):
            function = click.option(
                option.flag,
                option.parameter,
                type=option.type,
                metavar=option.metavar,
                multiple=option.is_multiple,
                help=option.help_when(creating=creating),
            )(function)
        return function

    return decorate


def values_given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the `options` that were given, by the paths of their fields."""
    given = {option: options[option.parameter] for option in _OPTIONS}
    return {option.path: option.value(value) for option, value in given.items() if value not in (None, ())}
