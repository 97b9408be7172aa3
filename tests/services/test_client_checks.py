"""What a client may be: every bound, and every pair of fields that do not go together, refused by name."""

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.harness import policy_of
from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import (
    DAY,
    HOUR,
    MAX_ACCESS_TTL,
    MAX_REFRESH_TTL,
    MAX_RETRY_WINDOW,
    MAX_SESSIONS,
    SECOND,
    BindingPolicy,
    ExchangePolicy,
    RefreshTokenFormat,
    Rotation,
    SenderConstraint,
)
from tokensvc.domain.rate_limit import LEAST_PER_SECOND, MOST_BURST, MOST_PER_SECOND, RateLimit
from tokensvc.services.clients import OPERATOR

BFF = Client("bff", permissions=frozenset({Permission.ISSUE}), policy=policy_of())
STATELESS = RefreshTokenFormat.STATELESS_JWT


def with_policy(**changes: Any) -> dict[str, Any]:
    """A changed token policy."""
    return {"policy": policy_of(**changes)}


def with_binding(**changes: Any) -> dict[str, Any]:
    """A changed binding."""
    return with_policy(binding=BindingPolicy(**changes))


def with_exchanges(**changes: Any) -> dict[str, Any]:
    """A policy for exchanges."""
    return {"exchange_policy": ExchangePolicy(**{name: frozenset(values) for name, values in changes.items()})}


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("client_id", {"client_id": ""}),
    ("client_id", {"client_id": "a b"}),
    ("client_id", {"client_id": "*"}),
    ("client_id", {"client_id": "x" * 256}),
    ("name", {"name": "two\nlines"}),
    ("name", {"name": "x" * 256}),
    ("acts_for", {"acts_for": frozenset({"phone", "a b"})}),
    ("acts_for", {"acts_for": frozenset({""})}),
    ("acts_for", {"acts_for": frozenset({"**"})}),
    ("acts_for", {"acts_for": frozenset(map(str, range(1001)))}),
    ("audiences", {"audiences": frozenset({"a b"})}),
    ("audiences", {"audiences": frozenset({""})}),
    ("token_policy.scopes", with_policy(scopes=("read", 'wr"ite'))),
    ("token_policy.scopes", with_policy(scopes=("read write",))),
    ("token_policy.audiences", with_policy(audiences=("",))),
    ("token_policy.access_ttl", with_policy(access_ttl=SECOND - 1)),
    ("token_policy.access_ttl", with_policy(access_ttl=MAX_ACCESS_TTL + 1)),
    ("token_policy.refresh_idle_ttl", with_policy(refresh_idle_ttl=0)),
    ("token_policy.refresh_idle_ttl", with_policy(refresh_idle_ttl=MAX_REFRESH_TTL + 1)),
    ("token_policy.refresh_absolute_ttl", with_policy(refresh_absolute_ttl=-1)),
    ("token_policy.refresh_absolute_ttl", with_policy(refresh_absolute_ttl=MAX_REFRESH_TTL + 1)),
    ("token_policy.retry_window", with_policy(retry_window=-1)),
    ("token_policy.retry_window", with_policy(retry_window=MAX_RETRY_WINDOW + 1)),
    ("token_policy.rotation", with_policy(rotation=Rotation.NEVER)),
    ("token_policy.rotation_interval", with_policy(rotation=Rotation.PERIODIC)),
    ("token_policy.rotation_interval", with_policy(rotation=Rotation.PERIODIC, rotation_interval=-1)),
    ("token_policy.rotation_interval", with_policy(rotation=Rotation.PERIODIC, rotation_interval=MAX_REFRESH_TTL + 1)),
    ("token_policy.rotation_interval", with_policy(rotation=Rotation.GRACEFUL, rotation_interval=HOUR)),
    ("token_policy.rotation_interval", with_policy(rotation=Rotation.ALWAYS, rotation_interval=HOUR)),
    ("token_policy.max_sessions", with_policy(max_sessions=-1)),
    ("token_policy.max_sessions", with_policy(max_sessions=MAX_SESSIONS + 1)),
    ("token_policy.max_sessions", with_policy(refresh_token_format=STATELESS, max_sessions=1)),
    ("token_policy.rotation", with_policy(refresh_token_format=STATELESS, rotation=Rotation.ALWAYS)),
    (
        "token_policy.rotation",
        with_policy(refresh_token_format=STATELESS, rotation=Rotation.PERIODIC, rotation_interval=HOUR),
    ),
    ("token_policy.rotation", with_policy(refresh_token_format=STATELESS, rotation=Rotation.SELECTIVE)),
    (
        "token_policy.rotation",
        with_policy(refresh_token_format=STATELESS, rotation=Rotation.NEVER, sender_constraint=SenderConstraint.DPOP),
    ),
    ("rate_limit.per_second", {"rate_limit": RateLimit(-1)}),
    ("rate_limit.per_second", {"rate_limit": RateLimit(LEAST_PER_SECOND / 2)}),
    ("rate_limit.per_second", {"rate_limit": RateLimit(MOST_PER_SECOND + 1)}),
    ("rate_limit.per_second", {"rate_limit": RateLimit(math.nan)}),
    ("rate_limit.per_second", {"rate_limit": RateLimit(math.inf)}),
    ("rate_limit.burst", {"rate_limit": RateLimit(1, -1)}),
    ("rate_limit.burst", {"rate_limit": RateLimit(1, MOST_BURST + 1)}),
    ("rate_limit.burst", {"rate_limit": RateLimit(0, 5)}),
    ("token_policy.binding.ipv4_prefix_length", with_binding(ipv4_prefix_length=0)),
    ("token_policy.binding.ipv4_prefix_length", with_binding(ipv4_prefix_length=33)),
    ("token_policy.binding.ipv6_prefix_length", with_binding(ipv6_prefix_length=-1)),
    ("token_policy.binding.ipv6_prefix_length", with_binding(ipv6_prefix_length=129)),
    ("exchange_policy.subject_clients", with_exchanges(subject_clients=["phone", ""])),
    ("exchange_policy.subject_clients", with_exchanges(subject_clients=["**"])),
    ("exchange_policy.subject_clients", with_exchanges(subject_clients=map(str, range(1001)))),
    ("exchange_policy.audiences", with_exchanges(audiences=["a b"])),
    ("exchange_policy.audiences", with_exchanges(audiences=map(str, range(101)))),
    ("exchange_policy.scopes", with_exchanges(scopes=['wr"ite'])),
]


@pytest.mark.parametrize(("field", "changes"), REFUSED)
async def test_what_may_not_be_is_refused_by_name(
    use_cases: UseCases, store: RecordingStore, field: str, changes: dict[str, Any]
) -> None:
    """The refusal names the field and says why, and no transaction is begun."""
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.create(replace(BFF, **changes), confidential=True, caller=OPERATOR)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_REQUEST, field)
    assert field.rpartition(".")[2] in caught.value.message
    assert store.commits == 0


async def test_a_public_client_has_no_permissions(use_cases: UseCases, store: RecordingStore) -> None:
    """What cannot call is not given the right to."""
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.create(BFF, confidential=False, caller=OPERATOR)
    assert caught.value.field == "permissions"
    assert store.commits == 0


@pytest.mark.parametrize("part", ["subject_clients", "audiences", "scopes"])
async def test_a_public_client_trades_nothing(use_cases: UseCases, store: RecordingStore, part: str) -> None:
    """What cannot call cannot exchange either, and a policy must not let it seem so."""
    public = replace(BFF, permissions=frozenset(), **with_exchanges(**{part: ["x"]}))
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.create(public, confidential=False, caller=OPERATOR)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_REQUEST, "exchange_policy")
    assert store.commits == 0


async def test_a_public_client_has_no_rate_limit(use_cases: UseCases, store: RecordingStore) -> None:
    """What cannot call is not kept from it; its tokens are handled by others, with limits of their own."""
    public = replace(BFF, permissions=frozenset(), rate_limit=RateLimit(1))
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.create(public, confidential=False, caller=OPERATOR)
    assert caught.value.field == "rate_limit"
    assert store.commits == 0


ALLOWED: list[dict[str, Any]] = [
    {"access_ttl": SECOND, "refresh_idle_ttl": SECOND, "refresh_absolute_ttl": SECOND, "retry_window": 0},
    {
        "access_ttl": MAX_ACCESS_TTL,
        "refresh_idle_ttl": MAX_REFRESH_TTL,
        "refresh_absolute_ttl": MAX_REFRESH_TTL,
        "retry_window": MAX_RETRY_WINDOW,
        "max_sessions": MAX_SESSIONS,
    },
    {"rotation": Rotation.NEVER, "sender_constraint": SenderConstraint.DPOP},
    {"rotation": Rotation.NEVER, "sender_constraint": SenderConstraint.TLS},
    {"rotation": Rotation.PERIODIC, "rotation_interval": 1},
    {"rotation": Rotation.PERIODIC, "rotation_interval": MAX_REFRESH_TTL},
    {"rotation": Rotation.SELECTIVE},
    {"rotation": Rotation.SELECTIVE, "rotation_interval": DAY},
    {"rotation": Rotation.ALWAYS},
    {"refresh_token_format": STATELESS},
    {"refresh_token_format": RefreshTokenFormat.JWT, "max_sessions": 1},
    {"binding": BindingPolicy(ipv4_prefix_length=1, ipv6_prefix_length=1)},
    {"binding": BindingPolicy(ipv4_prefix_length=32, ipv6_prefix_length=128)},
]


@pytest.mark.parametrize("changes", ALLOWED, ids=str)
async def test_the_bounds_themselves_are_allowed(use_cases: UseCases, changes: dict[str, Any]) -> None:
    """A policy may go as far as the limits, and have what goes together."""
    created, _ = await use_cases.clients.create(
        replace(BFF, policy=policy_of(**changes)), confidential=True, caller=OPERATOR
    )
    assert created.policy == policy_of(**changes)
