"""Owns the translation of clients, and of what an UpdateClient takes, between protobuf and domain."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from tokensvc_pb.v1 import client_service_pb2 as pb

from tokensvc.domain.client import Client, Permission
from tokensvc.domain.client_authentication import NO_KEYS, AuthMethod, ClientKeys
from tokensvc.domain.client_fields import CHANGEABLE, value_at
from tokensvc.domain.errors import Reason, RefusedError, invalid
from tokensvc.rpc import convert
from tokensvc.rpc.policy_messages import Choices, policy_message, policy_of

PERMISSIONS = Choices(pb.Permission, Permission)
AUTH_METHODS = Choices(pb.ClientAuthMethod, AuthMethod)

_LATER = ("rate_limit", "exchange_policy")
_FIELDS: Any = pb.Client.DESCRIPTOR
_FIXED = ("client_id", "type", "created_at", "updated_at")


def client_of(message: pb.Client) -> Client:
    """The client that `message` describes, not yet checked for bounds; it says nothing of its type.

    Refuses with NOT_IMPLEMENTED what is not offered yet, so that nothing seems to hold that does not.
    """
    for field in _LATER:
        convert.refuse_later(message, field)
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
        if path not in CHANGEABLE and not _comes_later(path):
            raise invalid("update_mask", "update_mask names what is no field of a client")
    return paths


def values_of(message: pb.Client, paths: Sequence[str]) -> Mapping[str, Any]:
    """The values in `message` at `paths`, by path. What stands beside them is not looked at."""
    for path in paths:
        if path not in CHANGEABLE:
            field = path.partition(".")[0]
            raise _not_offered(field, f"{field} cannot be changed yet")
    named = pb.Client()
    FieldMask(paths=paths).MergeMessage(message, named)
    client = client_of(named)
    return {path: value_at(client, path) for path in paths}


def _comes_later(path: str) -> bool:
    is_there = FieldMask(paths=[path]).IsValidForDescriptor(_FIELDS)
    return is_there and path.partition(".")[0] in _LATER


def _not_offered(field: str, message: str) -> RefusedError:
    return RefusedError(Reason.NOT_IMPLEMENTED, message, field)


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
        auth_method=AUTH_METHODS.number(method) if method else pb.CLIENT_AUTH_METHOD_UNSPECIFIED,
        keys=None if client.keys == NO_KEYS else pb.ClientKeys(**asdict(client.keys)),
        created_at=convert.timestamp(client.created_at),
        updated_at=convert.timestamp(client.updated_at),
    )
