"""Owns how a client proves who it is when it calls: its method, and what is registered for it."""

import re
from enum import StrEnum
from typing import Final

from tokensvc.domain.certificate import is_spiffe_id
from tokensvc.domain.errors import RefusedError, invalid
from tokensvc.domain.value import value

_MAX_DNS_NAME: Final = 253
# RFC 1123, 2.1. The last label is never a number, or it would be an address.
_DNS_NAME = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*(?![0-9]+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


SPIFFE_ID: Final = "tls_spiffe_id"
DNS_NAME: Final = "tls_dns_name"
FINGERPRINT: Final = "tls_sha256"

CertificateName = tuple[str, str]
"""One of these kinds, and the name: what a certificate says under one kind is never taken for another."""


class AuthMethod(StrEnum):
    """How a client authenticates; it has one of them (RFC 7591, 2)."""

    SECRET = "secret"  # noqa: S105 - the name of the method
    PRIVATE_KEY_JWT = "private_key_jwt"
    TLS = "tls"


@value(frozen=True, slots=True)
class ClientKeys:
    """What is registered for the methods that need no secret of ours: public keys, or what a certificate has to name.

    `jwks` is a JWK Set as JSON (RFC 7517, 5), `tls_sha256` a fingerprint in lower-case hexadecimal.
    """

    jwks: str = ""
    algorithms: tuple[str, ...] = ()
    tls_spiffe_id: str = ""
    tls_dns_name: str = ""
    tls_sha256: str = ""

    @property
    def certificate_names(self) -> tuple[CertificateName, ...]:
        """What is said of its certificate."""
        values = {SPIFFE_ID: self.tls_spiffe_id, DNS_NAME: self.tls_dns_name, FINGERPRINT: self.tls_sha256}
        return tuple((kind, name) for kind, name in values.items() if name)


NO_KEYS: Final = ClientKeys()


def certificate_keys(keys: ClientKeys) -> ClientKeys:
    """Answer the `keys` of a client that authenticates by TLS, in the one spelling of each name; refuses others."""
    if keys.jwks or keys.algorithms:
        raise surplus("jwks" if keys.jwks else "algorithms", AuthMethod.TLS)
    if len(keys.certificate_names) != 1:
        raise invalid("keys", "auth_method tls needs one of tls_spiffe_id, tls_dns_name and tls_sha256, and only one")
    if keys.tls_spiffe_id:
        return ClientKeys(tls_spiffe_id=_spiffe_id(keys.tls_spiffe_id))
    if keys.tls_dns_name:
        return ClientKeys(tls_dns_name=_dns_name(keys.tls_dns_name))
    return ClientKeys(tls_sha256=_fingerprint(keys.tls_sha256))


def surplus(name: str, method: AuthMethod | None) -> RefusedError:
    """The refusal of a field of the keys that the method does not use."""
    whose = f"auth_method {method}" if method else "a public client"
    return invalid(f"keys.{name}", f"{name} does not go with {whose}")


def _spiffe_id(text: str) -> str:
    if not is_spiffe_id(text):
        raise invalid("keys.tls_spiffe_id", "tls_spiffe_id is not of the form spiffe://trust-domain/path")
    return text


def _dns_name(text: str) -> str:
    name = text.lower()
    if len(name) > _MAX_DNS_NAME or not _DNS_NAME.fullmatch(name):
        raise invalid("keys.tls_dns_name", "tls_dns_name is not a host name; wildcards and addresses are none")
    return name


def _fingerprint(text: str) -> str:
    digits = text.lower().replace(":", "")  # as openssl prints it
    if not _SHA256.fullmatch(digits):
        raise invalid("keys.tls_sha256", "tls_sha256 is not 64 hexadecimal digits")
    return digits
