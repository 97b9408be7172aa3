"""Owns who calls: from the metadata of an RPC to a client (RFC 6749, 2.3.1)."""

import binascii
from collections.abc import Iterable
from urllib.parse import unquote

from tokensvc.domain.client import Client
from tokensvc.domain.errors import RefusedError
from tokensvc.domain.view import View
from tokensvc.services.client_secrets import authenticate, unauthenticated

_LONGEST_HEADER = 2048


Metadata = Iterable[tuple[str, str | bytes]]


def caller_of(metadata: Metadata | None, view: View, now: int) -> Client:
    """Answer the client that calls; refuse with CALLER_UNAUTHENTICATED, whatever is wrong."""
    client_id, secret = _credentials(metadata)
    return authenticate(view, client_id, secret, now)


def claimed_client(metadata: Metadata | None) -> str:
    """The client that a call says it is from, right or wrong; empty if that cannot be understood."""
    try:
        return _credentials(metadata)[0]
    except RefusedError:
        return ""


def _credentials(metadata: Metadata | None) -> tuple[str, str]:
    headers = [value for key, value in metadata or () if key == "authorization"]
    if len(headers) != 1:
        raise unauthenticated()
    return _basic(headers[0])


def _basic(header: str | bytes) -> tuple[str, str]:
    if not isinstance(header, str) or len(header) > _LONGEST_HEADER or header[:6].lower() != "basic ":
        raise unauthenticated()
    try:
        pair = binascii.a2b_base64(header[6:], strict_mode=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise unauthenticated() from None
    # A client_id may contain a colon, a secret never does. Libraries that follow the RFC send both form-encoded.
    client_id, _, secret = pair.rpartition(":")
    return (unquote(client_id), unquote(secret)) if "%" in pair else (client_id, secret)
