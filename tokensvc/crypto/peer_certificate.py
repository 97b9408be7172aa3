"""Owns reading a caller's certificate: strictly, and only what can name a caller."""

import hashlib
import ssl
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from tokensvc.domain.certificate import PeerCertificate, is_spiffe_id

_WILDCARD: Final = "*"
_UNREADABLE: Final = (
    *(ValueError, UnsupportedAlgorithm, x509.InvalidVersion),
    *(x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)


def read_peer_certificate(pem: bytes) -> PeerCertificate | None:
    """Answer whom a certificate names that TLS has found good; None where it is not for clients, or cannot be read.

    TLS takes a certificate that does not say what it is for (RFC 5280, 4.2.1.12); nobody is recognised by one.
    """
    try:
        der = ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))
        extensions = x509.load_der_x509_certificate(der).extensions
        uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = _names(extensions)
    except _UNREADABLE:
        return None
    if ExtendedKeyUsageOID.CLIENT_AUTH not in uses:
        return None
    return PeerCertificate(hashlib.sha256(der).digest(), _spiffe_id(names), _dns_names(names))


def _names(extensions: x509.Extensions) -> x509.SubjectAlternativeName:
    try:
        return extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _spiffe_id(names: x509.SubjectAlternativeName) -> str:
    """X509-SVID, 2: there is exactly one URI. Where there are more, none of them counts."""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if len(uris) == 1 and is_spiffe_id(uris[0]) else ""


def _dns_names(names: x509.SubjectAlternativeName) -> tuple[str, ...]:
    found = names.get_values_for_type(x509.DNSName)
    return tuple(name.lower() for name in found if _WILDCARD not in name)
