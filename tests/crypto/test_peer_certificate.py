"""Whom a client's certificate names."""

import hashlib

import pytest
from cryptography import x509

from tests.certificates import CLIENT, Authority
from tokensvc.crypto.peer_certificate import read_peer_certificate
from tokensvc.domain.certificate import PeerCertificate

AUTHORITY = Authority()
SPIFFE = x509.UniformResourceIdentifier("spiffe://shop.test/bff")
WEB = x509.UniformResourceIdentifier("https://shop.test/bff")
DNS = x509.DNSName("bff.shop.test")


def named(*names: x509.GeneralName) -> PeerCertificate:
    """What is read from a client's certificate with these names."""
    read = read_peer_certificate(AUTHORITY.client(*names).chain)
    assert read is not None
    return read


def test_a_certificate_is_known_by_the_hash_of_its_der_form() -> None:
    """Also where it has no names."""
    pair = AUTHORITY.client()
    assert read_peer_certificate(pair.chain) == PeerCertificate(hashlib.sha256(pair.der).digest())


def test_its_spiffe_id_and_dns_names_are_read() -> None:
    """DNS names in lower case, in their order; addresses and e-mail addresses do not count."""
    read = named(x509.RFC822Name("a@shop.test"), SPIFFE, DNS, x509.DNSName("B.shop.test"))
    assert (read.spiffe_id, read.dns_names) == ("spiffe://shop.test/bff", ("bff.shop.test", "b.shop.test"))


@pytest.mark.parametrize(
    "uris",
    [
        (),
        (WEB,),
        (SPIFFE, WEB),
        (SPIFFE, x509.UniformResourceIdentifier("spiffe://shop.test/other")),
        (SPIFFE, SPIFFE),
        (x509.UniformResourceIdentifier("spiffe://shop.test/a/../bff"),),
    ],
    ids=str,
)
def test_there_is_exactly_one_uri_or_no_spiffe_id(uris: tuple[x509.GeneralName, ...]) -> None:
    """Of several URIs none counts, so that nobody is taken for the wrong one of two; nor does one of another form."""
    read = named(*uris, DNS)
    assert (read.spiffe_id, read.dns_names) == ("", ("bff.shop.test",))


def test_a_wildcard_is_nobody_s_name() -> None:
    """It stands for many servers, not for one client."""
    assert named(x509.DNSName("*.shop.test")).dns_names == ()


def test_a_certificate_without_its_use_names_nobody() -> None:
    """Neither one for everything nor one for any use."""
    assert read_peer_certificate(AUTHORITY.issue((SPIFFE,)).chain) is None
    anything = x509.oid.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
    assert read_peer_certificate(AUTHORITY.issue((SPIFFE,), anything).chain) is None


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"\xff\xfe",
        AUTHORITY.issue((SPIFFE,), CLIENT).private_key,
    ],
)
def test_what_is_no_certificate_names_nobody(pem: bytes) -> None:
    """It is no error either."""
    assert read_peer_certificate(pem) is None
