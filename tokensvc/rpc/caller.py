"""Owns who calls: from the metadata of an RPC to a client (RFC 6749, 2.3.1)."""

import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import unquote

from tokensvc.domain.client import Client
from tokensvc.domain.errors import RefusedError
from tokensvc.domain.view import View
from tokensvc.services.client_secrets import authenticate, unauthenticated

_LONGEST_HEADER = 2048
_MOST_REMEMBERED = 4096


Metadata = Iterable[tuple[str, str | bytes]]


class Callers:
    """Recognises the clients that call, and remembers what it recognised them by: as a digest, never in clear.

    Every change of a client makes a new `Client`; so what is remembered of one is right as long as it is still there.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Client] = OrderedDict()

    def recognise(self, metadata: Metadata | None, view: View, now: int) -> Client:
        """Answer the client that calls; refuse with CALLER_UNAUTHENTICATED, whatever is wrong."""
        header = _authorization(metadata)
        digest = hashlib.sha256(header.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and view.clients.get(known.client_id) is known:
            return known
        client = authenticate(view, *_basic(header), now)
        if now >= client.previous_expires_at:  # else it may be the secret that is about to expire
            self._remember(digest, client)
        return client

    def _remember(self, digest: bytes, client: Client) -> None:
        self._known[digest] = client
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)


def claimed_client(metadata: Metadata | None) -> str:
    """The client that a call says it is from, right or wrong; empty if that cannot be understood."""
    try:
        return _basic(_authorization(metadata))[0]
    except RefusedError:
        return ""


def _authorization(metadata: Metadata | None) -> str:
    headers = [value for key, value in metadata or () if key == "authorization"]
    if len(headers) != 1 or not isinstance(headers[0], str) or len(headers[0]) > _LONGEST_HEADER:
        raise unauthenticated()
    return headers[0]


def _basic(header: str) -> tuple[str, str]:
    if header[:6].lower() != "basic ":
        raise unauthenticated()
    try:
        pair = binascii.a2b_base64(header[6:], strict_mode=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise unauthenticated() from None
    # A client_id may contain a colon, a secret never does. Libraries that follow the RFC send both form-encoded.
    client_id, _, secret = pair.rpartition(":")
    return (unquote(client_id), unquote(secret)) if "%" in pair else (client_id, secret)
