"""Public keys of others: what is registered, and what is refused and why."""

import base64
import json
from typing import Any

import pytest

from tests.client_keys import jwks_of, public_jwk
from tokensvc.crypto.client_assertions import algorithms_of
from tokensvc.crypto.jwk import JwkError, read_key, read_set
from tokensvc.domain.errors import RefusedError

ALGORITHMS = {"ES256": ["ES256"], "ES384": ["ES384"], "EdDSA": ["EdDSA"], "RS256": ["PS256", "RS256"]}


def number(value: int) -> str:
    """A number as RSA keys have it."""
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_kind_of_key_is_read(algorithm: str) -> None:
    """With the algorithms that it can be used with."""
    assert algorithms_of(jwks_of(public_jwk(algorithm))) == ALGORITHMS[algorithm]


def test_a_key_may_say_what_it_is_for() -> None:
    """Its algorithm alone counts then; what else it says is no matter."""
    jwk = public_jwk("RS256", alg="PS256", use="sig", key_ops=["verify"], x5c=["AAAA"], colour="red")
    assert algorithms_of(jwks_of(jwk)) == ["PS256"]


RSA = public_jwk("RS256")
REFUSED: dict[str, dict[str, Any]] = {
    "private EC": public_jwk(d="AAAA"),
    "private RSA": public_jwk("RS256", p="AAAA"),
    "private with null": {**public_jwk(), "d": None},
    "symmetric": {"kty": "oct", "k": "AAAA"},
    "no kty": public_jwk(kty=None),
    "unknown kty": public_jwk(kty="ec"),
    "kty no text": public_jwk(kty=["EC"]),
    "P-521": public_jwk(crv="P-521"),
    "secp256k1": public_jwk(crv="secp256k1"),
    "curve of another size": public_jwk(crv="P-384"),
    "X25519": public_jwk("EdDSA", crv="X25519"),
    "off the curve": public_jwk(y=public_jwk()["x"]),
    "no y": public_jwk(y=None),
    "x no text": public_jwk(x=7),
    "x too short": public_jwk(x=public_jwk()["x"][:-2]),
    "x with padding": public_jwk(x=public_jwk()["x"] + "="),
    "Ed25519 too short": public_jwk("EdDSA", x="AAAA"),
    "RSA too small": {**RSA, "n": number(2**2047 - 1)},
    "RSA too large": {**RSA, "n": number(2**4096 + 1)},
    "RSA even": {**RSA, "n": number(2**2047 + 2)},
    "RSA with zeros": {**RSA, "n": "AA" + RSA["n"]},
    "exponent 1": {**RSA, "e": number(1)},
    "exponent even": {**RSA, "e": number(65536)},
    "exponent large": {**RSA, "e": number(2**64 + 1)},
    "exponent empty": {**RSA, "e": ""},
    "for encryption": public_jwk(use="enc"),
    "for signing": public_jwk(key_ops=["sign"]),
    "alg of another kind": public_jwk(alg="RS256"),
    "alg none": public_jwk(alg="none"),
    "alg HS256": public_jwk("RS256", alg="HS256"),
    "alg no text": public_jwk(alg=["ES256"]),
    "kid empty": public_jwk(kid=""),
    "kid long": public_jwk(kid="k" * 256),
    "kid no text": public_jwk(kid=7),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_keys_are_refused(kind: str) -> None:
    """With a reason that repeats nothing of the key."""
    with pytest.raises(JwkError) as refused:
        read_key(REFUSED[kind])
    assert str(refused.value).startswith("a key")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"keys": {}}',
        '{"keys": []}',
        '{"keys": [7]}',
        '{"keys": [], "keys": []}',
        json.dumps(public_jwk()),
        jwks_of(public_jwk(), public_jwk(name="b")),
        jwks_of(public_jwk(kid="a"), public_jwk(name="b", kid="a")),
        jwks_of(public_jwk(kid="a"), public_jwk(name="b")),
        jwks_of(*(public_jwk(kid=str(place)) for place in range(21))),
        jwks_of(public_jwk()) + " " * 16_384,
        '{"keys": ' + "[" * 1000 + "]" * 1000 + "}",
        "\ud800",
    ],
    ids=lambda text: ascii(text)[:28],
)
def test_what_is_no_set_of_keys_is_refused(text: str) -> None:
    """Too many, too long, of one name, without names where there are several, or no set."""
    with pytest.raises(RefusedError) as refused:
        algorithms_of(text)
    assert (refused.value.reason, refused.value.field) == ("INVALID_REQUEST", "keys.jwks")


def test_as_many_keys_as_may_be() -> None:
    """Twenty, each with a name."""
    assert len(read_set(jwks_of(*(public_jwk(kid=str(place)) for place in range(20))))) == 20
