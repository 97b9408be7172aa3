"""Owns what a client may be: its bounds, and how its fields have to fit together."""

from collections.abc import Collection
from dataclasses import replace

from tokensvc.domain import bounds
from tokensvc.domain.client import Client
from tokensvc.domain.errors import invalid
from tokensvc.domain.policy import (
    EVERY_CLIENT,
    MAX_ACCESS_TTL,
    MAX_REFRESH_TTL,
    MAX_RETRY_WINDOW,
    MAX_SESSIONS,
    NO_EXCHANGE,
    SECOND,
    BindingPolicy,
    ExchangePolicy,
    RefreshTokenFormat,
    Rotation,
    SenderConstraint,
    TokenPolicy,
)
from tokensvc.domain.rate_limit import LEAST_PER_SECOND, MOST_BURST, MOST_PER_SECOND, NO_LIMIT, RateLimit

_MOST_CLIENTS = 1000
_WITH_AN_INTERVAL = (Rotation.PERIODIC, Rotation.SELECTIVE)


def checked(client: Client, *, confidential: bool) -> Client:
    """Answer `client` with each scope and audience of its policy named once.

    Refuses one that may not be; the field that it names is a path in the proto's message Client.
    """
    bounds.client_id(client.client_id)
    bounds.text(client.name, "name")
    if client.permissions and not confidential:
        raise invalid("permissions", "a public client cannot call, so it has no permissions")
    _check_clients(client.acts_for, "acts_for")
    bounds.audiences(sorted(client.audiences), "audiences")
    if client.exchange_policy != NO_EXCHANGE and not confidential:
        raise invalid("exchange_policy", "a public client cannot call, so it has no exchange_policy")
    _check_exchange(client.exchange_policy)
    _check_rate_limit(client.rate_limit, confidential=confidential)
    return replace(client, policy=_checked_policy(client.policy))


def _checked_policy(policy: TokenPolicy) -> TokenPolicy:
    _check_span(policy.access_ttl, "access_ttl", SECOND, MAX_ACCESS_TTL)
    _check_span(policy.refresh_idle_ttl, "refresh_idle_ttl", SECOND, MAX_REFRESH_TTL)
    _check_span(policy.refresh_absolute_ttl, "refresh_absolute_ttl", SECOND, MAX_REFRESH_TTL)
    _check_span(policy.retry_window, "retry_window", 0, MAX_RETRY_WINDOW)
    _check_rotation(policy)
    _check_number(policy.max_sessions, "max_sessions", 0, MAX_SESSIONS)
    if policy.refresh_token_format is RefreshTokenFormat.STATELESS_JWT:
        _check_stateless(policy)
    _check_binding(policy.binding)
    return replace(
        policy,
        scopes=bounds.scopes(policy.scopes, "token_policy.scopes"),
        audiences=bounds.audiences(policy.audiences, "token_policy.audiences"),
    )


def _check_rotation(policy: TokenPolicy) -> None:
    if policy.rotation is Rotation.NEVER and policy.sender_constraint is SenderConstraint.NONE:
        raise invalid(
            "token_policy.rotation",
            "rotation never needs a sender_constraint: without one, nobody would notice a stolen refresh token",
        )
    _check_span(policy.rotation_interval, "rotation_interval", 0, MAX_REFRESH_TTL)
    if policy.rotation is Rotation.PERIODIC and not policy.rotation_interval:
        raise invalid("token_policy.rotation_interval", "rotation periodic needs a rotation_interval")
    if policy.rotation_interval and policy.rotation not in _WITH_AN_INTERVAL:
        raise invalid(
            "token_policy.rotation_interval", "rotation_interval goes with rotation periodic and selective alone"
        )


def _check_stateless(policy: TokenPolicy) -> None:
    """A stateless token is known by its signature alone.

    Without a row nothing tells a consumed one from its successor and nobody counts sessions. So the default rotation is
    all that can be said, and it means no more than that a refresh answers with a new token: to accept another one would
    promise a protection that is not there.
    """
    if policy.rotation is not Rotation.GRACEFUL:
        raise invalid(
            "token_policy.rotation",
            "refresh_token_format stateless_jwt keeps no session that could tell a consumed token: "
            "no rotation but the default goes with it",
        )
    if policy.max_sessions:
        raise invalid(
            "token_policy.max_sessions",
            "max_sessions cannot be counted: refresh_token_format stateless_jwt keeps no sessions",
        )


def _check_binding(binding: BindingPolicy) -> None:
    _check_number(binding.ipv4_prefix_length, "binding.ipv4_prefix_length", 1, 32)
    _check_number(binding.ipv6_prefix_length, "binding.ipv6_prefix_length", 1, 128)


def _check_exchange(policy: ExchangePolicy) -> None:
    _check_clients(policy.subject_clients, "exchange_policy.subject_clients")
    bounds.audiences(sorted(policy.audiences), "exchange_policy.audiences")
    bounds.scopes(sorted(policy.scopes), "exchange_policy.scopes")


def _check_rate_limit(limit: RateLimit, *, confidential: bool) -> None:
    if limit == NO_LIMIT:
        return
    if not confidential:
        raise invalid("rate_limit", "a public client cannot call, so it has no rate_limit")
    if not limit.per_second:
        raise invalid("rate_limit.burst", "burst goes with a per_second")
    if not LEAST_PER_SECOND <= limit.per_second <= MOST_PER_SECOND:  # nor is NaN, which a double can be
        raise invalid("rate_limit.per_second", f"per_second is not between {LEAST_PER_SECOND} and {MOST_PER_SECOND}")
    if not 0 <= limit.burst <= MOST_BURST:
        raise invalid("rate_limit.burst", f"burst is not between 0 and {MOST_BURST}")


def _check_span(value: int, name: str, least: int, most: int) -> None:
    if not least <= value <= most:
        raise invalid(f"token_policy.{name}", f"{name} is not between {least // SECOND} and {most // SECOND} seconds")


def _check_number(value: int, name: str, least: int, most: int) -> None:
    if not least <= value <= most:
        raise invalid(f"token_policy.{name}", f"{name} is not between {least} and {most}")


def _check_clients(client_ids: Collection[str], field: str) -> None:
    if len(client_ids) > _MOST_CLIENTS:
        raise invalid(field, f"{field} has more than {_MOST_CLIENTS} entries")
    for client_id in client_ids:
        if client_id != EVERY_CLIENT:
            bounds.client_id(client_id, field)
