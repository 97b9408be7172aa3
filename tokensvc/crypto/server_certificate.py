"""Owns the files of the server's certificate: they are read, and what they hold is checked before it is used."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tokensvc.domain.certificate import CertificateError, ServerCertificate

_MOST_BYTES: Final = 1 << 20
_BEGINNING: Final = b"-----BEGIN CERTIFICATE-----"
_KEYS: Final = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class CertificateFiles:
    """The files with a certificate and the chain above it, its key, and where clients need one, their authorities."""

    def __init__(self, cert_file: Path, key_file: Path, client_ca_file: Path | None = None) -> None:
        """The files are in PEM; they are not read yet."""
        self._cert_file = cert_file
        self._key_file = key_file
        self._client_ca_file = client_ca_file
        self._latest: tuple[tuple[bytes, ...], ServerCertificate | CertificateError] | None = None

    def read(self) -> ServerCertificate:
        """Answer what the files hold now; fails with CertificateError. It is examined only when it has changed."""
        files = (self._cert_file, self._key_file, self._client_ca_file)
        contents = tuple(_content(file) for file in files if file is not None)
        if self._latest is None or self._latest[0] != contents:
            self._latest = contents, self._examined(*contents)
        _, outcome = self._latest
        if isinstance(outcome, CertificateError):
            raise outcome.with_traceback(None)
        return outcome

    def _examined(
        self, chain: bytes, private_key: bytes, authorities: bytes | None = None
    ) -> ServerCertificate | CertificateError:
        try:
            certificate = _certificates(chain, self._cert_file)[0]
            _check_key(private_key, self._key_file, certificate, self._cert_file)
            if authorities is not None and self._client_ca_file is not None:
                _certificates(authorities, self._client_ca_file)
        except CertificateError as error:
            return error
        times = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        return ServerCertificate(str(self._cert_file), chain, private_key, authorities, *map(_milliseconds, times))


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CertificateError(f"cannot read {file}: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise CertificateError(f"there is more than certificates can be in {file}")
    return content


def _certificates(pem: bytes, file: Path) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        found = []
    if not found or len(found) != pem.count(_BEGINNING):  # the last one may be written in part
        raise CertificateError(f"there is no certificate in PEM, or one that is damaged, in {file}")
    return found


def _check_key(pem: bytes, file: Path, certificate: x509.Certificate, cert_file: Path) -> None:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise CertificateError(f"the private key in {file} has a password: it has to be without one") from None
    except UnsupportedAlgorithm:
        raise CertificateError(
            f"the private key in {file} is of a kind that TLS does not use: take P-256 or RSA"
        ) from None
    except ValueError:
        raise CertificateError(f"there is no private key in PEM, or one that is damaged, in {file}") from None
    if not isinstance(key, _KEYS) or (isinstance(key, ec.EllipticCurvePrivateKey) and not _is_usual(key.curve)):
        raise _of_another_kind(file)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != _public_part(certificate, form):
        raise CertificateError(f"the private key in {file} is not that of the certificate in {cert_file}")


def _of_another_kind(file: Path) -> CertificateError:
    return CertificateError(f"the private key in {file} is of a kind that TLS does not use: take P-256 or RSA")


def _public_part(certificate: x509.Certificate, form: tuple[Encoding, PublicFormat]) -> bytes:
    """Of a certificate, which is not that of a usual key if its own is of no usual kind."""
    try:
        return certificate.public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _is_usual(curve: ec.EllipticCurve) -> bool:
    return isinstance(curve, _CURVES)


def _milliseconds(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
