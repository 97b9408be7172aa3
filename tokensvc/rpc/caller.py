"""Owns who calls: from the metadata of an RPC to a client (RFC 6749, 2.3.1; RFC 7523, 2.2; RFC 8705, 2)."""

import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from tokensvc.domain.certificate import PeerCertificate
from tokensvc.domain.client import Client
from tokensvc.domain.client_authentication import AuthMethod
from tokensvc.domain.errors import RefusedError, unauthenticated
from tokensvc.domain.view import View
from tokensvc.rpc.assertions import Assertions, place_of
from tokensvc.services.client_assertions import Admit
from tokensvc.services.client_secrets import authenticate

_LONGEST_HEADER = 4096
_MOST_REMEMBERED = 4096

Metadata = Iterable[tuple[str, str | bytes]]

CertificateOf = Callable[[Any], PeerCertificate | None]
"""Answers the certificate that came with the connection of an RPC's context."""


class Callers:
    """Recognises the clients that call, and remembers what it recognised them by: as a digest, never in clear.

    Every change of a client makes a new `Client`; so what is remembered of one is right as long as it is still there.
    """

    def __init__(self, assertions: Assertions, certificate_of: CertificateOf | None = None) -> None:
        """`certificate_of` an RPC is asked where callers can have certificates, and only where that matters."""
        self._assertions = assertions
        self._certificate_of = certificate_of
        self._known: dict[bytes, Client] = {}
        self._digests: OrderedDict[str, bytes] = OrderedDict()  # by the client: each has one place

    def recognise(self, context: Any, view: View, now: int) -> Client | None:
        """Answer the client that calls; None if it presents an assertion that has to be redeemed first.

        Refuses with CALLER_UNAUTHENTICATED, whatever is wrong.
        """
        header = _authorization(context.invocation_metadata())
        digest = hashlib.sha256(header.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and view.clients.get(known.client_id) is known:
            return known
        if not header:
            return self._named_by_certificate(context, view)
        if assertion := _assertion(header):
            return self._assertions.known(place_of(assertion, context.peer()), view, now)
        client = authenticate(view, *_basic(header), now)
        if now >= client.previous_expires_at:  # else it may be the secret that is about to expire
            self._remember(digest, client)
        return client

    def _named_by_certificate(self, context: Any, view: View) -> Client:
        client = self._named(context, view)
        if client is None or client.disabled:
            raise unauthenticated()
        return client

    def _named(self, context: Any, view: View) -> Client | None:
        certificate = self._certificate(context)
        return view.directory.named_by(certificate) if certificate else None

    def _certificate(self, context: Any) -> PeerCertificate | None:
        return self._certificate_of(context) if self._certificate_of else None

    async def redeem(self, context: Any, view: View, now: int, admit: Admit) -> Client:
        """Answer the client that calls by an assertion which was not known; refuse as `recognise`, and as `admit`."""
        assertion = _assertion(_authorization(context.invocation_metadata()))
        return await self._assertions.redeem(assertion, place_of(assertion, context.peer()), view, now, admit)

    def certificate_hash(self, context: Any) -> bytes | None:
        """The SHA-256 hash of the certificate that came with the connection; None if there is none."""
        certificate = self._certificate(context)
        return certificate.sha256 if certificate else None

    def recognise_again(self, caller: Client, context: Any, view: View, now: int) -> Client:
        """Answer the `caller` of a call that has begun as it is now; refuse if it may not call any more.

        What was redeemed for the call stands as long as it lasts: for that the client has to be the same.
        """
        if caller.auth_method is AuthMethod.SECRET:
            client = self.recognise(context, view, now)
        else:
            client = view.clients.get(caller.client_id)
        if client is None or client.disabled or not client.authenticates_like(caller):
            raise unauthenticated()
        return client

    def claimed_client(self, context: Any, view: View) -> str:
        """The client that a call says it is from, right or wrong; empty if that cannot be understood."""
        try:
            header = _authorization(context.invocation_metadata())
            if not header:
                client = self._named(context, view)
                return client.client_id if client else ""
            assertion = _assertion(header)
            return self._assertions.claimed_client(assertion) if assertion else _basic(header)[0]
        except RefusedError:
            return ""

    def _remember(self, digest: bytes, client: Client) -> None:
        self._known.pop(self._digests.pop(client.client_id, b""), None)
        self._known[digest], self._digests[client.client_id] = client, digest
        if len(self._digests) > _MOST_REMEMBERED:
            _, oldest = self._digests.popitem(last=False)
            del self._known[oldest]


def _authorization(metadata: Metadata | None) -> str:
    """The header that says who calls; empty if there is none."""
    headers = [value for key, value in metadata or () if key == "authorization"]
    if not headers:
        return ""
    if len(headers) != 1 or not isinstance(headers[0], str) or len(headers[0]) > _LONGEST_HEADER:
        raise unauthenticated()
    return headers[0]


def _assertion(header: str) -> str:
    """What stands behind the scheme of assertions; empty behind another."""
    return header[7:] if header[:7].lower() == "bearer " else ""


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
