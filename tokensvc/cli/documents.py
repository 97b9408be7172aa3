"""Owns how protobuf messages and clients look as documents: snake_case names, nothing that says nothing."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from tokensvc.cli.output import Document
from tokensvc.domain.client import Client
from tokensvc.domain.numbers import whole
from tokensvc.domain.policy import TokenPolicy


def document_of(message: Message) -> dict[str, Any]:
    """The fields of `message`; absent messages, empty texts and lists and unspecified enums are left out."""
    values = {field.name: _value(field, message) for field in message.DESCRIPTOR.fields}
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def _value(field: Any, message: Message) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_single(field, item) for item in value]
    if field.message_type is not None and not message.HasField(field.name):
        return None
    return _single(field, value)


def _single(field: Any, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToDatetime(tzinfo=UTC)
    if isinstance(value, Struct):
        return whole(json_format.MessageToDict(value))
    if isinstance(value, Message):
        return document_of(value)
    return _enum_name(field.enum_type, value) if field.enum_type is not None else value


def _enum_name(enum: EnumDescriptor, number: int) -> str:
    """The value's name without the enum's; empty for the unspecified one."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    if number == 0:
        return ""
    known = enum.values_by_number.get(number)
    return known.name.removeprefix(prefix) if known else str(number)


def client_document(client: Client) -> Document:
    """A client with the names of the proto's message Client."""
    return {
        "client_id": client.client_id,
        "name": client.name,
        "type": "CONFIDENTIAL" if client.is_confidential else "PUBLIC",
        **_authentication(client),
        "disabled": client.disabled,
        "permissions": sorted(client.permissions),
        "acts_for": sorted(client.acts_for),
        "audiences": sorted(client.audiences),
        "token_policy": _policy_document(client.policy),
        "created_at": moment(client.created_at),
        "updated_at": moment(client.updated_at),
    }


def _authentication(client: Client) -> Document:
    """How it authenticates, if it does; keys as far as there are any."""
    keys = {name: value for name, value in asdict(client.keys).items() if value}
    method = {"auth_method": client.auth_method.value} if client.auth_method else {}
    return {**method, **({"keys": keys} if keys else {})}


def _policy_document(policy: TokenPolicy) -> Document:
    return {
        "access_ttl": timedelta(milliseconds=policy.access_ttl),
        "refresh_idle_ttl": timedelta(milliseconds=policy.refresh_idle_ttl),
        "refresh_absolute_ttl": timedelta(milliseconds=policy.refresh_absolute_ttl),
        "retry_window": timedelta(milliseconds=policy.retry_window),
        "scopes": list(policy.scopes),
        "audiences": list(policy.audiences),
        "rotation": policy.rotation.value,
        "rotation_interval": timedelta(milliseconds=policy.rotation_interval),
        "refresh_token_format": policy.refresh_token_format.value,
        "max_sessions": policy.max_sessions,
        "session_limit_action": policy.session_limit_action.value,
        "binding": asdict(policy.binding),
        "sender_constraint": policy.sender_constraint.value,
    }


def moment(milliseconds: int) -> datetime:
    """The moment as documents have it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
