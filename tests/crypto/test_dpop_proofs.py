"""DPoP proofs are read strictly; the key that they bring along vouches for them, and nothing else (RFC 9449, 4.3)."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.crypto.forging import ORDER, base64url, der_signature, encoded
from tests.proofs import METHOD, NOW, URI, Phone, a_phone
from tokensvc.crypto.dpop_proofs import read_proof
from tokensvc.crypto.jwk import thumbprint
from tokensvc.domain.dpop_proof import DpopProof, hash_of

PHONE = a_phone()
ES384, EDDSA, RS256 = a_phone("ES384"), a_phone("EdDSA"), a_phone("RS256")
PS256 = Phone("PS256", RS256.private)
PHONES = [PHONE, ES384, EDDSA, RS256, PS256]
IDS = [phone.algorithm for phone in PHONES]

RFC_HEADER = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo"
    "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
RFC_JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_the_example_of_a_token_request() -> None:
    """RFC 9449, 5, figure 4."""
    proof = (
        f"{RFC_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29t"
        "L3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfb"
        "V37xRZT3Lg"
    )
    assert read_proof(proof) == DpopProof(
        RFC_JKT, "-BwC3ESc6acc2lTc", "POST", "https://server.example.com/token", 1562262616000
    )


def test_the_example_of_a_resource_request() -> None:
    """RFC 9449, 7.1, figure 12, with the hash of the access token that it comes with."""
    proof = (
        f"{RFC_HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9y"
        "Zy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtz"
        "bVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    )
    assert read_proof(proof) == DpopProof(
        RFC_JKT,
        "e1j3V_bKic8-LAEB",
        "GET",
        "https://resource.example.org/protectedresource",
        1562262618000,
        access_token_hash=hash_of("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
    )


def test_the_example_of_a_thumbprint() -> None:
    """RFC 7638, 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    jwk: dict[str, Any] = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("phone", PHONES, ids=IDS)
def test_every_algorithm_is_read(phone: Phone) -> None:
    """Those by which this service signs itself; what else the key says of itself does not change its thumbprint."""
    jwk = {
        **phone.jwk,
        "kid": "mine",
        "use": "sig",
        "alg": phone.algorithm,
        "key_ops": ["verify"],
        "x": phone.jwk.get("x"),
    }
    jwk = {name: value for name, value in jwk.items() if value is not None}
    for header in (
        phone.header(),
        phone.header(jwk=jwk),
        phone.header(kid="other", x5c=["x"], jku="https://evil.test/"),
    ):
        assert read_proof(phone.signed(header, phone.claims(jti="1"))) == DpopProof(
            phone.jkt, "1", METHOD, URI, NOW * 1000
        )


@pytest.mark.parametrize("phone", PHONES, ids=IDS)
def test_the_key_is_of_the_kind_that_the_algorithm_needs(phone: Phone) -> None:
    """No algorithm but that of the key is read, in no spelling (RFC 8725, 3.1; case 28)."""
    algorithms = {*IDS, "ES512", "RS384", "HS256", "none", "None", "NONE", "", "es256", "EdDSA ", None, 1, "ES256K"}
    fitting = {"RS256", "PS256"} if phone.algorithm in ("RS256", "PS256") else {phone.algorithm}
    for algorithm in algorithms - fitting:
        assert read_proof(phone.signed(phone.header(alg=algorithm), phone.claims())) is None


@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "none", "ES256"])
def test_a_mac_with_the_public_key_is_none(algorithm: str) -> None:
    """The public key is no secret, in whichever form (case 28)."""
    public = PHONE.private.public_key()
    forms = [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        json.dumps(PHONE.jwk).encode(),
    ]
    signing_input = f"{encoded(PHONE.header(alg=algorithm))}.{encoded(PHONE.claims())}"
    macs = [base64url(hmac.digest(form, signing_input.encode(), hashlib.sha256)) for form in forms]
    for signature in (*macs, ""):
        assert read_proof(f"{signing_input}.{signature}") is None


TYPES = [
    "at+jwt",
    "rt+jwt",
    "JWT",
    "DPOP+JWT",
    "dpop+JWT",
    "application/dpop+jwt",
    "dpop+jwt ",
    "",
    None,
    1,
    ["dpop+jwt"],
]


@pytest.mark.parametrize("type_", TYPES, ids=repr)
def test_the_type_is_exact(type_: object) -> None:
    """No other JWT passes for a proof (RFC 9449, 4.3, 4; case 31)."""
    assert read_proof(PHONE.signed(PHONE.header(typ=type_), PHONE.claims())) is None
    assert read_proof(PHONE.signed({**PHONE.header(), "typ": type_}, PHONE.claims())) is None


@pytest.mark.parametrize("name", ["crit", "b64"])
@pytest.mark.parametrize("value", [["exp"], [], True, False, None])
def test_what_would_have_to_be_understood_is_refused(name: str, value: object) -> None:
    """RFC 7515, 4.1.11 and RFC 7797 (case 30)."""
    assert read_proof(PHONE.signed({**PHONE.header(), name: value}, PHONE.claims())) is None


def _private(phone: Phone, name: str) -> int:
    numbers: Any = phone.private.private_numbers()  # type: ignore[union-attr]
    return int(getattr(numbers, "private_value", None) or getattr(numbers, name))


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_private_key_is_refused(member: str) -> None:
    """Who gives its key away has none (RFC 9449, 4.3, 7)."""
    secret = base64url(_private(PHONE, "d").to_bytes(32, "big"))
    for value in (secret, "", None):
        assert read_proof(PHONE.signed(PHONE.header(jwk={**PHONE.jwk, member: value}), PHONE.claims())) is None


KEYS: list[Any] = [
    None,
    "key",
    [],
    {},
    {"kty": "oct", "k": base64url(b"secret")},
    {"kty": "EC"},
    {**PHONE.jwk, "kty": "RSA"},
    {**PHONE.jwk, "kty": None},
    {**PHONE.jwk, "crv": "P-384"},
    {**PHONE.jwk, "crv": "secp256k1"},
    {**PHONE.jwk, "x": PHONE.jwk["y"]},
    {**PHONE.jwk, "x": PHONE.jwk["x"] + "="},
    {**PHONE.jwk, "x": base64url(bytes(32)), "y": base64url(bytes(32))},
    {**PHONE.jwk, "x": 1},
    {**PHONE.jwk, "use": "enc"},
    {**PHONE.jwk, "alg": "ES384"},
    {**PHONE.jwk, "key_ops": ["sign"]},
    {**PHONE.jwk, "kid": "x" * 256},
    a_phone().jwk,
    RS256.jwk,
]


@pytest.mark.parametrize("jwk", KEYS, ids=lambda jwk: str(jwk)[:20])
def test_another_key_than_that_of_the_signature_is_refused(jwk: Any) -> None:
    """What is none, of another kind, not on its curve, in another spelling, or somebody else's."""
    assert read_proof(PHONE.signed({**PHONE.header(), "jwk": jwk}, PHONE.claims())) is None
    assert read_proof(PHONE.signed(PHONE.header(jwk=None), PHONE.claims())) is None


@pytest.mark.parametrize(("bits", "exponent", "is_good"), [(1024, 65537, False), (2048, 65537, True), (4096, 3, True)])
def test_a_key_of_rsa_is_neither_small_nor_large(bits: int, exponent: int, is_good: bool) -> None:
    """From 2048 to 4096 bits: a small one can be broken, a large one makes every check cost."""
    phone = Phone("RS256", rsa.generate_private_key(exponent, bits))
    assert (read_proof(phone.proof()) is not None) is is_good


def test_a_key_of_rsa_that_is_larger_is_refused() -> None:
    """Before anything is computed with it: nobody has made this one."""
    large = base64url(((1 << 4096) + 1).to_bytes(513, "big"))
    for jwk in ({**RS256.jwk, "n": large}, {**RS256.jwk, "e": base64url((2**33 + 1).to_bytes(5, "big"))}):
        assert read_proof(RS256.signed(RS256.header(jwk=jwk), RS256.claims())) is None


def test_a_changed_proof_is_refused() -> None:
    """Every bit is signed, and there is one spelling of it (cases 16 and 33)."""
    proof = PHONE.proof()
    header, claims, signature = proof.split(".")
    for place in range(0, len(proof), 7):
        other = "A" if proof[place] != "A" else "B"
        assert read_proof(proof[:place] + other + proof[place + 1 :]) is None
    more = [
        f"{proof}=",
        f" {proof}",
        f"{proof}\n",
        proof[:-1],
        f"{header}.{claims}",
        f"{header}.{claims}.",
        f"{proof}.x",
    ]
    assert [read_proof(text) for text in more] == [None] * len(more)
    assert read_proof(f"{header}.{claims}=.{signature}") is None
    assert read_proof(json.dumps({"protected": header, "payload": claims, "signature": signature})) is None


def test_signatures_in_other_forms_are_refused() -> None:
    """DER, and numbers that no signature has (case 33)."""
    assert isinstance(PHONE.private, ec.EllipticCurvePrivateKey)
    signing_input = f"{encoded(PHONE.header())}.{encoded(PHONE.claims())}"
    numbers = [0, 1, ORDER - 1, ORDER, ORDER + 1, 2**256 - 1]
    pairs = [r.to_bytes(32, "big") + s.to_bytes(32, "big") for r in numbers for s in numbers]
    for signature in (der_signature(PHONE.private, signing_input.encode()), *pairs, b"", bytes(64), bytes(65)):
        assert read_proof(f"{signing_input}.{base64url(signature)}") is None


CLAIMS: list[Any] = [
    {"jti": None},
    {"htm": None},
    {"htu": None},
    {"iat": None},
    {"jti": 1},
    {"jti": "x" * 256},
    {"htm": ["POST"]},
    {"htu": ""},
    {"iat": str(NOW)},
    {"iat": True},
    {"iat": -1},
    {"iat": 1e308},
    {"ath": 1},
    {"nonce": 1},
]


@pytest.mark.parametrize("changes", CLAIMS, ids=str)
def test_claims_of_another_type_are_refused(changes: Any) -> None:
    """Nothing is guessed (case 32)."""
    assert read_proof(PHONE.proof(**changes)) is None


@pytest.mark.parametrize("part", ["header", "claims"])
@pytest.mark.parametrize(
    "text", ["", "[]", "null", "1", '"a"', "{", '{"a":1,"a":2}', '{"iat":NaN}', "\ufeff{}", b"\xff{}"], ids=repr
)
def test_what_is_no_object_is_refused(part: str, text: Any) -> None:
    """Members named twice included (case 32)."""
    header, claims = (text, PHONE.claims()) if part == "header" else (PHONE.header(), text)
    assert read_proof(PHONE.signed(header, claims)) is None


def test_members_named_twice_are_refused() -> None:
    """In the key too: another reader would see another key."""
    header = json.dumps(PHONE.header())
    twice = header.replace('"kty": "EC"', '"kty": "EC", "kty": "EC"')
    assert read_proof(PHONE.signed(header, PHONE.claims())) is not None
    assert read_proof(PHONE.signed(twice, PHONE.claims())) is None


HUGE = [
    "." * 100_000,
    "a" * 1_000_000,
    f"{base64url(b'{' * 1_000_000)}.e30.e30",
    PHONE.signed(PHONE.header(more="x" * 5000), PHONE.claims()),
    PHONE.signed(PHONE.header(), PHONE.claims(more="x" * 8000)),
    PHONE.signed(PHONE.header(kid="../../etc/passwd' OR 1=1" * 400), PHONE.claims()),
    PHONE.signed(PHONE.header(), PHONE.claims(more=json.loads("[" * 70 + "]" * 70))),
]


@pytest.mark.parametrize("text", HUGE, ids=lambda text: f"{text[:8]}-{len(text)}")
def test_what_is_too_large_or_deep_is_refused(text: str) -> None:
    """Before it is looked into (case 34)."""
    assert read_proof(text) is None


def test_a_key_of_4096_bits_has_room() -> None:
    """The bounds are above all that is good."""
    phone = Phone("PS256", rsa.generate_private_key(65537, 4096))
    proof = phone.proof(jti="x" * 255, htu=f"https://bff.test/{'x' * 2000}", ath=hash_of("token"), nonce="n" * 28)
    assert read_proof(proof) is not None


GOOD_HEADER, GOOD_CLAIMS, _ = PHONE.proof().split(".")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "crit", "kid"]), JSON, max_size=3)
OF_A_KEY = st.dictionaries(
    st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "alg", "use", "kid"]), JSON, max_size=4
)


@given(st.text() | st.text("eyJ0.=_-A\n", max_size=40) | st.builds("{}.{}.{}".format, st.text(), st.text(), st.text()))
def test_any_text_is_read_or_not(text: str) -> None:
    """Whatever it is, nothing is raised."""
    assert read_proof(text) is None


@given(
    MEMBERS, OF_A_KEY, st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce"]), JSON, max_size=3)
)
def test_any_json_is_read_or_not(header: dict[str, Any], key: dict[str, Any], claims: dict[str, Any]) -> None:
    """Signed by a good key, whatever it says."""
    jwks: list[Any] = [header.get("jwk", PHONE.jwk), {**PHONE.jwk, **key}, {**RS256.jwk, **key}, {**EDDSA.jwk, **key}]
    for jwk in jwks:
        proof = read_proof(PHONE.signed({**PHONE.header(), **header, "jwk": jwk}, {**PHONE.claims(), **claims}))
        assert proof is None or proof.thumbprint == PHONE.jkt
