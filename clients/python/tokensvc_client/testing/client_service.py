"""Owns ClientService: registering, showing, changing and deleting clients."""

import secrets
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from tokensvc_pb.v1 import client_service_pb2 as pb
from tokensvc_pb.v1 import token_service_pb2

from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.errors import Refusal, invalid, required
from tokensvc_client.testing.moments import milliseconds_in, timestamp
from tokensvc_client.testing.pages import page_of
from tokensvc_client.testing.state import LONGEST_ACCESS_TTL, State

_DESCRIPTOR: Final = pb.DESCRIPTOR.message_types_by_name["Client"]
_FIXED: Final = ("client_id", "type", "created_at", "updated_at")
_ROTATIONS: Final = (
    pb.ROTATION_POLICY_UNSPECIFIED,
    pb.ROTATION_POLICY_ALWAYS,
    pb.ROTATION_POLICY_GRACEFUL,
    pb.ROTATION_POLICY_PERIODIC,
)
_FORMATS: Final = (pb.REFRESH_TOKEN_FORMAT_UNSPECIFIED, pb.REFRESH_TOKEN_FORMAT_OPAQUE)
_CONSTRAINTS: Final = (pb.SENDER_CONSTRAINT_UNSPECIFIED, pb.SENDER_CONSTRAINT_NONE)
_IGNORED: Final = (pb.BINDING_ACTION_UNSPECIFIED, pb.BINDING_ACTION_IGNORE)
_REJECTED: Final = (pb.BINDING_ACTION_UNSPECIFIED, pb.BINDING_ACTION_REJECT)
_DAY: Final = 24 * 60 * 60 * 1000
_LONGEST_OVERLAP: Final = 30 * _DAY


def create_client(state: State, caller: Client, request: pb.CreateClientRequest) -> pb.CreateClientResponse:
    """Register a client; its secret is in this answer alone."""
    message = request.client
    required(message, "client_id", "client.client_id")
    if not message.type:
        raise invalid("client.type", "type is neither CLIENT_TYPE_CONFIDENTIAL nor CLIENT_TYPE_PUBLIC")
    check_modelled(message)
    if any(client.client_id == message.client_id for client in state.clients.sorted()):
        raise Refusal("CLIENT_EXISTS", "a client with this client_id exists", "client.client_id")
    client = Client(pb.Client())
    client.message.CopyFrom(message)
    if message.type == pb.CLIENT_TYPE_CONFIDENTIAL and not message.auth_method:
        client.message.auth_method = pb.CLIENT_AUTH_METHOD_SECRET
    if client.message.auth_method == pb.CLIENT_AUTH_METHOD_SECRET:
        client.secret = secrets.token_urlsafe(32)
    register(state, client)
    state.record("client.created", caller=caller.client_id, client_id=client.client_id)
    return pb.CreateClientResponse(client=client.message, client_secret=client.secret)


def register(state: State, client: Client) -> None:
    """Add a client, and tell the log."""
    client.message.created_at.CopyFrom(timestamp(state.now))
    client.message.updated_at.CopyFrom(timestamp(state.now))
    state.clients.register(client)
    state.log.add()


def get_client(state: State, _caller: Client, request: pb.GetClientRequest) -> pb.GetClientResponse:
    """One client."""
    return pb.GetClientResponse(client=_found(state, request.client_id).message)


def list_clients(state: State, _caller: Client, request: pb.ListClientsRequest) -> pb.ListClientsResponse:
    """A page of clients in the order of their ids."""
    page, next_page_token = page_of(
        state.clients.sorted(), request.page_size, request.page_token, lambda client: client.client_id
    )
    return pb.ListClientsResponse(clients=[client.message for client in page], next_page_token=next_page_token)


def update_client(state: State, caller: Client, request: pb.UpdateClientRequest) -> pb.UpdateClientResponse:
    """Change the fields that update_mask names. Who disables a client also ends everything issued for it."""
    _check_mask(request.update_mask)
    client = _found(state, request.client.client_id, "client.client_id")
    changed = pb.Client()
    changed.CopyFrom(client.message)
    request.update_mask.MergeMessage(request.client, changed, replace_message_field=True, replace_repeated_field=True)
    check_modelled(changed)
    changed.updated_at.CopyFrom(timestamp(state.now))
    client.message.CopyFrom(changed)
    if "disabled" in request.update_mask.paths and changed.disabled:
        _end_all(state, client.client_id, "client disabled")
    else:
        state.log.add()
    state.record("client.updated", caller=caller.client_id, client_id=client.client_id)
    return pb.UpdateClientResponse(client=client.message)


def delete_client(state: State, caller: Client, request: pb.DeleteClientRequest) -> pb.DeleteClientResponse:
    """Delete a client, and end everything issued for it."""
    client = _found(state, request.client_id)
    state.clients.remove(client.client_id)
    revision = _end_all(state, client.client_id, "client deleted")
    state.record("client.deleted", caller=caller.client_id, client_id=client.client_id)
    return pb.DeleteClientResponse(revision=revision)


def rotate_client_secret(
    state: State, caller: Client, request: pb.RotateClientSecretRequest
) -> pb.RotateClientSecretResponse:
    """Give a client a new secret; the one before stays good for a while, and the one before that ends."""
    overlap = milliseconds_in(request, "overlap")
    span = _DAY if overlap is None else overlap
    if not 0 <= span <= _LONGEST_OVERLAP:
        raise invalid("overlap", f"overlap is not between 0 and {_LONGEST_OVERLAP // _DAY} days")
    client = _found(state, request.client_id)
    if client.message.auth_method != pb.CLIENT_AUTH_METHOD_SECRET:
        raise invalid("client_id", "the client does not authenticate by a secret")
    client.previous_secret, client.previous_until = client.secret, state.now + span
    client.secret = secrets.token_urlsafe(32)
    client.message.updated_at.CopyFrom(timestamp(state.now))
    state.log.add()
    state.record("client.secret_rotated", caller=caller.client_id, client_id=client.client_id)
    return pb.RotateClientSecretResponse(
        client_secret=client.secret, previous_expires_at=timestamp(client.previous_until)
    )


def check_modelled(client: pb.Client) -> None:
    """Refuse a policy that the fake would not follow: what passes here must not fail at the service."""
    policy, binding = client.token_policy, client.token_policy.binding
    if (policy.rotation == pb.ROTATION_POLICY_PERIODIC) != bool(milliseconds_in(policy, "rotation_interval")):
        raise invalid("client.token_policy.rotation_interval", "rotation periodic and rotation_interval go together")
    is_modelled = (
        policy.rotation in _ROTATIONS
        and policy.refresh_token_format in _FORMATS
        and policy.sender_constraint in _CONSTRAINTS
        and {binding.device, binding.ip, binding.user_agent} <= {*_IGNORED}
        and binding.credential_version in _REJECTED
    )
    if not is_modelled:
        raise Refusal("NOT_IMPLEMENTED", "the fake does not model all of this token_policy", "client.token_policy")


def _check_mask(mask: FieldMask) -> None:
    if not mask.paths:
        raise invalid("update_mask", "update_mask is required")
    if not mask.IsValidForDescriptor(_DESCRIPTOR) or any(path in _FIXED for path in mask.paths):
        raise invalid("update_mask", "update_mask names what is no field of a client, or never changes")


def _found(state: State, client_id: str, field: str = "client_id") -> Client:
    if not client_id:
        raise invalid(field, "client_id is required")
    client = state.clients.find(client_id)
    if client is None:
        raise Refusal("CLIENT_NOT_FOUND", "there is no client with this client_id", field)
    return client


def _end_all(state: State, client_id: str, reason: str) -> int:
    barrier = token_service_pb2.Revocation(client_id=client_id)
    return state.revoke(barrier, reason, state.now + LONGEST_ACCESS_TTL)
