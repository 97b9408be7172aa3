"""Owns who calls: from the metadata of an RPC to a client (RFC 6749, 2.3.1)."""

import base64
import binascii
from collections.abc import Iterable
from urllib.parse import unquote

from tokensvc.domain.client import Client
from tokensvc.domain.view import View
from tokensvc.services.client_secrets import authenticate, unauthenticated

_LONGEST_HEADER = 2048


def caller_of(metadata: Iterable[tuple[str, str | bytes]] | None, view: View, now: int) -> Client:
    """Answer the client that calls; refuse with CALLER_UNAUTHENTICATED, whatever is wrong."""
    headers = [value for key, value in metadata or () if key == "authorization"]
    if len(headers) != 1:
        raise unauthenticated()
    client_id, secret = _basic(headers[0])
    return authenticate(view, client_id, secret, now)


def _basic(header: str | bytes) -> tuple[str, str]:
    if not isinstance(header, str) or len(header) > _LONGEST_HEADER or header[:6].lower() != "basic ":
        raise unauthenticated()
    try:
        pair = base64.b64decode(header[6:], validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise unauthenticated() from None
    # A client_id may contain a colon, a secret never does. Libraries that follow the RFC send both form-encoded.
    client_id, _, secret = pair.rpartition(":")
    return (unquote(client_id), unquote(secret)) if "%" in pair else (client_id, secret)
