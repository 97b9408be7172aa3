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
        self._known: dict[bytes, Client] = {}
        self._digests: OrderedDict[str, bytes] = OrderedDict()  # by the client: each has one place

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
        self._known.pop(self._digests.pop(client.client_id, b""), None)
        self._known[digest], self._digests[client.client_id] = client, digest
        if len(self._digests) > _MOST_REMEMBERED:
            _, oldest = self._digests.popitem(last=False)
            del self._known[oldest]


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
    pair = _decoded(header[6:])
    if pair is None:
        raise unauthenticated()
    # A client_id may contain a colon, a secret never does. Libraries that follow the RFC send both form-encoded.
    client_id, _, secret = pair.rpartition(":")
    return (unquote(client_id), unquote(secret)) if "%" in pair else (client_id, secret)


def _decoded(text: str) -> str | None:
    try:
        return binascii.a2b_base64(text, strict_mode=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
