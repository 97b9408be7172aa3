"""Certificates for tests, made when they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

START, END = (datetime(year, 1, 1, tzinfo=UTC) for year in (2000, 2100))
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
HERE = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, in PEM."""

    chain: bytes
    private_key: bytes

    @property
    def der(self) -> bytes:
        """The certificate as it goes over the wire."""
        return x509.load_pem_x509_certificate(self.chain).public_bytes(Encoding.DER)

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write it to files; answer where the certificate is, and where the key."""
        files = (directory / f"{name}.crt", directory / f"{name}.key")
        for file, content in zip(files, (self.chain, self.private_key), strict=True):
            file.write_bytes(content)
        return files


def new_key() -> ec.EllipticCurvePrivateKey:
    """A private key."""
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """A private key in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def named(name: str) -> x509.Name:
    """A subject."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass(frozen=True)
class Authority:
    """Issues certificates."""

    name: str = "authority"
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    @property
    def certificate(self) -> bytes:
        """Its own certificate, in PEM."""
        return self._signed(self.name, self.key, END, [(x509.BasicConstraints(ca=True, path_length=None), True)])

    def server(self, *, until: datetime = END, key: CertificateIssuerPrivateKeyTypes | None = None) -> Pair:
        """A certificate for the servers of this machine."""
        return self.issue(HERE, SERVER, until=until, key=key)

    def client(self, *names: x509.GeneralName, until: datetime = END) -> Pair:
        """A certificate for a client with these names."""
        return self.issue(names, CLIENT, until=until)

    def issue(
        self,
        names: Sequence[x509.GeneralName],
        *uses: x509.ObjectIdentifier,
        until: datetime = END,
        key: CertificateIssuerPrivateKeyTypes | None = None,
    ) -> Pair:
        """A certificate with these names, for these uses."""
        key = key or new_key()
        extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(ca=False, path_length=None), True)]
        if names:
            extensions.append((x509.SubjectAlternativeName(names), False))
        if uses:
            extensions.append((x509.ExtendedKeyUsage(uses), False))
        return Pair(self._signed("holder", key, until, extensions), pem_of(key))

    def _signed(
        self,
        subject: str,
        key: CertificateIssuerPrivateKeyTypes,
        until: datetime,
        extensions: Sequence[tuple[x509.ExtensionType, bool]],
    ) -> bytes:
        builder = x509.CertificateBuilder(named(self.name), named(subject), key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(START).not_valid_after(until)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
