"""Owns who is at the other end of a connection: the certificate that TLS has verified. No header tells it."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from tokensvc.domain.certificate import PeerCertificate

_MOST_REMEMBERED: Final = 4096
_PROPERTY: Final = "x509_pem_cert"


class Peers:
    """Knows the certificates of those who call; only where a certificate is asked for can there be one."""

    def __init__(self, read: Callable[[bytes], PeerCertificate | None]) -> None:
        """`read` takes PEM, and answers None for a certificate that names nobody."""
        self._read = read
        self._known: OrderedDict[bytes, PeerCertificate | None] = OrderedDict()

    def certificate_of(self, context: Any) -> PeerCertificate | None:
        """The certificate at the other end of the RPC with this `context`; None where nobody is named."""
        match context.auth_context().get(_PROPERTY):
            case [pem]:
                return self._known[pem] if pem in self._known else self._learn(pem)
        return None

    def _learn(self, pem: bytes) -> PeerCertificate | None:
        certificate = self._known[pem] = self._read(pem)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return certificate
