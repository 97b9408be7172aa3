"""Owns what is known of a refused call: from its request, its caller and its connection to a `Refusal`."""

import ipaddress
from typing import Any

from google.protobuf.message import Message

from tokensvc.domain.bounds import MAX_NAME
from tokensvc.domain.client import Client
from tokensvc.domain.errors import RefusedError
from tokensvc.domain.view import View
from tokensvc.services.refusals import Refusal

_TOKENS = ("refresh_token", "token", "subject_token")


def refusal_of_stranger(method: str, error: RefusedError, view: View, context: Any, claimed: str) -> Refusal:
    """The refusal of a caller that was not recognised. Of what it says the client alone counts, if it exists."""
    host = str(context.peer()).rpartition(":")[0]
    return Refusal(error.reason, method, client_id=claimed if claimed in view.clients else "", peer=host)


def refusal_of(method: str, error: RefusedError, view: View, caller: Client, request: Message) -> Refusal:
    """The refusal of a known caller: with the client that it names, if it exists, and other names that can be such."""
    client_id = _text(request, "client_id")
    return Refusal(
        error.reason,
        method,
        caller=caller.client_id,
        client_id=client_id if client_id in view.clients else "",
        subject=_name(_text(request, "subject") or _text(_part(request, "device"), "subject")),
        ip=_address(_text(_part(request, "context"), "ip")),
        token=next(filter(None, (_text(request, field) for field in _TOKENS)), ""),
        differs=error.differs,
    )


def _part(message: Message | None, field: str) -> Message | None:
    """The message in `field` of `message`, if there is one."""
    value = getattr(message, field, None)
    return value if isinstance(value, Message) else None


def _text(message: Message | None, field: str) -> str:
    value = getattr(message, field, "")
    return value if isinstance(value, str) else ""


def _name(text: str) -> str:
    return text if len(text) <= MAX_NAME and text.isprintable() else ""


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return ""
