"""The files of a server's certificate: what is wrong with them is said by their names, and shows nothing of a key."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from tests.certificates import Authority, new_key, pem_of
from tokensvc.crypto.server_certificate import CertificateFiles
from tokensvc.domain.certificate import CertificateError, ServerCertificate

AUTHORITY = Authority()


@dataclass
class Files:
    """Three files that fit each other."""

    cert: Path
    key: Path
    client_ca: Path

    def read(self) -> ServerCertificate:
        """What is in them."""
        return CertificateFiles(self.cert, self.key, self.client_ca).read()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A server's certificate, its key, and the authorities of clients."""
    cert, key = AUTHORITY.server().write(tmp_path, "server")
    client_ca = tmp_path / "clients.crt"
    client_ca.write_bytes(AUTHORITY.certificate)
    return Files(cert, key, client_ca)


def test_what_is_right_is_read_as_it_is(files: Files) -> None:
    """The certificate with the chain above it, the key, the authorities, and the certificate's time."""
    files.cert.write_bytes(files.cert.read_bytes() + AUTHORITY.certificate)
    files.client_ca.write_bytes(b"# ours\n" + AUTHORITY.certificate + Authority("of others").certificate)
    read = files.read()
    assert (read.chain, read.private_key) == (files.cert.read_bytes(), files.key.read_bytes())
    assert read.client_authorities == files.client_ca.read_bytes()
    assert (read.not_before, read.not_after) == (946_684_800_000, 4_102_444_800_000)
    assert [read.is_valid_at(now) for now in (946_684_799_999, 946_684_800_000, 4_102_444_800_001)] == [
        False,
        True,
        False,
    ]


def test_what_has_not_changed_is_not_examined_again(files: Files) -> None:
    """Reading the same again answers the same object, also where the files were written once more."""
    of_files = CertificateFiles(files.cert, files.key)
    first = of_files.read()
    files.cert.write_bytes(files.cert.read_bytes())
    assert of_files.read() is first


KINDS = [
    ec.generate_private_key(ec.SECP384R1()),
    ec.generate_private_key(ec.SECP521R1()),
    ed25519.Ed25519PrivateKey.generate(),
    rsa.generate_private_key(65_537, 2048),
]


@pytest.mark.parametrize("key", KINDS, ids=lambda key: type(key).__name__)
def test_the_kinds_of_keys_that_tls_uses_are_taken(
    files: Files, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
) -> None:
    """RSA, the three curves of NIST, Ed25519."""
    files.cert, files.key = AUTHORITY.server(key=key).write(files.cert.parent, "other")
    assert files.read().private_key == pem_of(key)


def no_certificate(files: Files) -> Path:
    """The key in the place of the certificate."""
    files.cert = files.key
    return files.cert


def damaged_certificate(files: Files) -> Path:
    """A certificate whose bytes are none."""
    files.cert.write_bytes(files.cert.read_bytes().replace(b"MII", b"XII", 1))
    return files.cert


def part_of_a_chain(files: Files) -> Path:
    """A chain that ends in a part of a certificate."""
    files.cert.write_bytes(files.cert.read_bytes() + AUTHORITY.certificate[:300])
    return files.cert


def no_key(files: Files) -> Path:
    """The certificate in the place of its key."""
    files.key = files.cert
    return files.key


def another_key(files: Files) -> Path:
    """The key of another certificate."""
    files.key.write_bytes(pem_of(new_key()))
    return files.key


def key_with_a_password(files: Files) -> Path:
    """A key that is encrypted."""
    encrypted = BestAvailableEncryption(b"hush-hush")
    files.key.write_bytes(new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encrypted))
    return files.key


def unusual_curve(files: Files) -> Path:
    """A key on a curve that TLS does not use."""
    files.cert, files.key = AUTHORITY.server(key=ec.generate_private_key(ec.SECP256K1())).write(
        files.cert.parent, "other"
    )
    return files.key


def unusual_kind(files: Files) -> Path:
    """A key of another kind."""
    files.cert, files.key = AUTHORITY.server(key=ed448.Ed448PrivateKey.generate()).write(files.cert.parent, "other")
    return files.key


def unknown_curve(files: Files) -> Path:
    """A key of a curve that the library does not know (secp112r1)."""
    files.key.write_text(
        "-----BEGIN PRIVATE KEY-----\n"  # of nobody
        "ME4CAQAwEAYHKoZIzj0CAQYFK4EEAAYENzA1AgEBBA6hOtOmEetJi4oPnKlZuKEg\n"
        "Ax4ABEVmROK5KCOGQpgzW7N7MWFjEQdmHZrs+93ZHmY=\n"
        "-----END PRIVATE KEY-----\n"
    )
    return files.key


def no_authorities(files: Files) -> Path:
    """A file of authorities with a comment alone."""
    files.client_ca.write_text("# nobody\n")
    return files.client_ca


def missing(files: Files) -> Path:
    """No file."""
    files.client_ca.unlink()
    return files.client_ca


def a_directory(files: Files) -> Path:
    """A directory in the place of a file."""
    files.key = files.key.parent
    return files.key


def endless(files: Files) -> Path:
    """A file of which there is always more."""
    files.cert = Path("/dev/zero")
    return files.cert


WRONG = [
    (no_certificate, "there is no certificate"),
    (damaged_certificate, "there is no certificate in PEM, or one that is damaged"),
    (part_of_a_chain, "there is no certificate in PEM, or one that is damaged"),
    (no_key, "there is no private key"),
    (another_key, "is not that of the certificate"),
    (key_with_a_password, "has a password"),
    (unknown_curve, "take P-256 or RSA"),
    (unusual_curve, "take P-256 or RSA"),
    (unusual_kind, "take P-256 or RSA"),
    (no_authorities, "there is no certificate"),
    (missing, "No such file"),
    (a_directory, "Is a directory"),
    (endless, "there is more"),
]


@pytest.mark.parametrize(("spoil", "said"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_a_wrong_file_is_named(files: Files, spoil: Callable[[Files], Path], said: str) -> None:
    """The message says what is wrong, in which file, and nothing of what is in it."""
    wrong = spoil(files)
    with pytest.raises(CertificateError) as refused:
        files.read()
    assert said in str(refused.value)
    assert str(wrong) in str(refused.value)
    assert "BEGIN" not in str(refused.value)


def test_a_key_is_not_shown(files: Files) -> None:
    """The value's representation has no private key."""
    assert "PRIVATE" not in repr(files.read())
