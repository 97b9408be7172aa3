"""Owns the translation of clients, and of what an UpdateClient takes, between protobuf and domain."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from tokensvc_pb.v1 import client_service_pb2 as pb

from tokensvc.domain.client import Client, Permission
from tokensvc.domain.client_authentication import NO_KEYS, AuthMethod, ClientKeys
from tokensvc.domain.client_fields import CHANGEABLE, value_at
from tokensvc.domain.errors import invalid
from tokensvc.domain.policy import NO_EXCHANGE, ExchangePolicy
from tokensvc.domain.rate_limit import NO_LIMIT, RateLimit
from tokensvc.rpc import convert
from tokensvc.rpc.policy_messages import Choices, policy_message, policy_of

PERMISSIONS = Choices(pb.Permission, Permission)
AUTH_METHODS = Choices(pb.ClientAuthMethod, AuthMethod)

_FIXED = ("client_id", "type", "created_at", "updated_at")


def client_of(message: pb.Client) -> Client:
    """The client that `message` describes, not yet checked for bounds; it says nothing of its type."""
    with convert.within("token_policy"):
        policy = policy_of(message.token_policy)
    return Client(
        message.client_id,
        name=message.name,
        disabled=message.disabled,
        permissions=frozenset(PERMISSIONS.choice(number, "permissions") for number in message.permissions),
        acts_for=frozenset(message.acts_for),
        audiences=frozenset(message.audiences),
        policy=policy,
        exchange_policy=ExchangePolicy(
            subject_clients=frozenset(message.exchange_policy.subject_clients),
            audiences=frozenset(message.exchange_policy.audiences),
            scopes=frozenset(message.exchange_policy.scopes),
        ),
        rate_limit=RateLimit(message.rate_limit.per_second, message.rate_limit.burst),
        auth_method=AUTH_METHODS.choice(message.auth_method, "auth_method") if message.auth_method else None,
        keys=_keys_of(message.keys),
    )


def _keys_of(message: pb.ClientKeys) -> ClientKeys:
    return ClientKeys(
        jwks=message.jwks,
        algorithms=tuple(message.algorithms),
        tls_spiffe_id=message.tls_spiffe_id,
        tls_dns_name=message.tls_dns_name,
        tls_sha256=message.tls_sha256,
    )


def is_confidential(message: pb.Client) -> bool:
    """Whether the client to register can call."""
    if message.type not in (pb.CLIENT_TYPE_CONFIDENTIAL, pb.CLIENT_TYPE_PUBLIC):
        raise invalid("type", "type is neither CLIENT_TYPE_CONFIDENTIAL nor CLIENT_TYPE_PUBLIC")
    return bool(message.type == pb.CLIENT_TYPE_CONFIDENTIAL)


def paths_of(mask: FieldMask) -> Sequence[str]:
    """The distinct paths of an update mask; refuses one that names nothing, or what is unknown or fixed."""
    if not mask.paths:
        raise invalid("update_mask", "update_mask is required")
    paths = tuple(dict.fromkeys(mask.paths))
    for path in paths:
        if path in _FIXED:
            raise invalid("update_mask", f"update_mask names {path}, which never changes")
        if path not in CHANGEABLE:
            raise invalid("update_mask", "update_mask names what is no field of a client")
    return paths


def values_of(message: pb.Client, paths: Sequence[str]) -> Mapping[str, Any]:
    """The values in `message` at `paths`, by path. What stands beside them is not looked at."""
    named = pb.Client()
    FieldMask(paths=paths).MergeMessage(message, named)
    client = client_of(named)
    return {path: value_at(client, path) for path in paths}


def client_message(client: Client) -> pb.Client:
    """A client as ClientService shows it: never its secrets or their hashes."""
    method = client.auth_method
    return pb.Client(
        client_id=client.client_id,
        name=client.name,
        type=pb.CLIENT_TYPE_CONFIDENTIAL if client.is_confidential else pb.CLIENT_TYPE_PUBLIC,
        disabled=client.disabled,
        permissions=[PERMISSIONS.number(permission) for permission in Permission if permission in client.permissions],
        acts_for=sorted(client.acts_for),
        audiences=sorted(client.audiences),
        token_policy=policy_message(client.policy),
        exchange_policy=_exchange_message(client.exchange_policy),
        rate_limit=_rate_limit_message(client.rate_limit),
        auth_method=AUTH_METHODS.number(method) if method else pb.CLIENT_AUTH_METHOD_UNSPECIFIED,
        keys=None if client.keys == NO_KEYS else pb.ClientKeys(**asdict(client.keys)),
        created_at=convert.timestamp(client.created_at),
        updated_at=convert.timestamp(client.updated_at),
    )


def _exchange_message(policy: ExchangePolicy) -> pb.ExchangePolicy | None:
    """What it may trade; nothing is said of one that may trade nothing."""
    if policy == NO_EXCHANGE:
        return None
    return pb.ExchangePolicy(
        subject_clients=sorted(policy.subject_clients),
        audiences=sorted(policy.audiences),
        scopes=sorted(policy.scopes),
    )


def _rate_limit_message(limit: RateLimit) -> pb.RateLimit | None:
    return None if limit == NO_LIMIT else pb.RateLimit(per_second=limit.per_second, burst=limit.burst)
