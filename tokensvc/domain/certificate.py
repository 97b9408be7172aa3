"""Owns what the service knows of certificates: the one that it shows, and that of a caller."""

import re
from dataclasses import field
from typing import Final

from tokensvc.domain.value import value

_LONGEST_SPIFFE_ID: Final = 2048
_SPIFFE_ID: Final = re.compile(r"spiffe://[a-z0-9._-]{1,255}(/(?!\.{1,2}(/|\Z))[A-Za-z0-9._-]+)+", re.ASCII)


class CertificateError(Exception):
    """The files of a certificate cannot be used; the message names the file and shows nothing of a key."""


@value(frozen=True, slots=True)
class ServerCertificate:
    """What a server shows, in PEM; with `client_authorities` it takes connections from those alone that they vouch for.

    `file` is where the certificate is from. The times are in milliseconds; it is good at both of them.
    """

    file: str
    chain: bytes
    private_key: bytes = field(repr=False)
    client_authorities: bytes | None
    not_before: int
    not_after: int

    def is_valid_at(self, now: int) -> bool:
        """Whether `now` is in its time."""
        return self.not_before <= now <= self.not_after


@value(frozen=True, slots=True)
class PeerCertificate:
    """Whom the certificate at the other end of a connection names, after TLS has found it good.

    `sha256` is the hash of its DER form (RFC 8705, 3.1: x5t#S256 before it is encoded); `spiffe_id` is empty where it
    has none; `dns_names` are in lower case, without wildcards.
    """

    sha256: bytes
    spiffe_id: str = ""
    dns_names: tuple[str, ...] = ()


def is_spiffe_id(text: str) -> bool:
    """Whether `text` is the SPIFFE ID of a workload (SPIFFE-ID, 2), in the one form that it has."""
    return len(text) <= _LONGEST_SPIFFE_ID and _SPIFFE_ID.fullmatch(text) is not None
