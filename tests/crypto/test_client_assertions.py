"""Assertions of clients: what is taken, and everything that is not (RFC 7523, 3; RFC 8725)."""

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.client_keys import Signer, by_assertion, jwks_of, private_key, public_jwk, segment
from tests.crypto.forging import der_signature
from tests.fakes import FakeClock
from tests.harness import ISSUER
from tokensvc.crypto import client_assertions
from tokensvc.crypto.client_assertions import ClientAssertionVerifier
from tokensvc.crypto.strict_jwt import Jwt
from tokensvc.domain.client import Client
from tokensvc.domain.client_assertion import LEEWAY, LONGEST_LIFE, ClientAssertion
from tokensvc.domain.client_authentication import AuthMethod, ClientKeys
from tokensvc.domain.client_directory import ClientDirectory

BFF = Client("bff", **by_assertion())
OTHER = Client("other", **by_assertion(name="other"))
CLIENTS = {client.client_id: client for client in (BFF, OTHER)}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def signer(clock: FakeClock) -> Signer:
    """The client `bff`, who holds its registered key."""
    return Signer("bff", clock)


def verified(text: str, clock: FakeClock, *clients: Client) -> ClientAssertion | None:
    """What the verifier makes of it, where there are these clients, or else those above."""
    known = {client.client_id: client for client in clients} or CLIENTS
    return ClientAssertionVerifier(ISSUER).verify(text, ClientDirectory(known), clock())


def test_a_good_assertion_is_taken(signer: Signer, clock: FakeClock) -> None:
    """It tells who signed it, by which id, and until when it may be used."""
    assertion = signer.assertion(claims=signer.claims(jti="one"))
    assert verified(assertion, clock) == ClientAssertion("bff", "one", clock() + 60_000 + LEEWAY)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA", "RS256", "PS256"])
def test_every_algorithm_is_taken_that_is_registered(clock: FakeClock, algorithm: str) -> None:
    """By the key that is registered with it."""
    client = Client("bff", **by_assertion(algorithm))
    assert verified(Signer("bff", clock, algorithm).assertion(), clock, client)


@pytest.mark.parametrize("type_", [None, "JWT", "client-authentication+jwt"])
def test_the_types_of_assertions_are_taken(signer: Signer, clock: FakeClock, type_: str | None) -> None:
    """The one that is theirs, the general one, and none."""
    assert verified(signer.assertion(signer.header(typ=type_)), clock)


@pytest.mark.parametrize(
    "type_", ["at+jwt", "rt+jwt", "dpop+jwt", "jwt", "application/jwt", "", 7, ["JWT"], {}, False], ids=str
)
def test_other_types_are_not(signer: Signer, clock: FakeClock, type_: object) -> None:
    """What is made for another purpose never authenticates anybody."""
    assert verified(signer.assertion(signer.header(typ=type_)), clock) is None


def test_a_type_of_null_is_none_of_them(signer: Signer, clock: FakeClock) -> None:
    """It is not absent."""
    assert verified(signer.assertion({"alg": "ES256", "typ": None}), clock) is None


@pytest.mark.parametrize("audience", [ISSUER, [ISSUER]], ids=str)
def test_case_35_the_audience_is_our_issuer(signer: Signer, clock: FakeClock, audience: object) -> None:
    """As a text or as the only one of a list."""
    assert verified(signer.assertion(claims=signer.claims(aud=audience)), clock)


def changed(signer: Signer, **claims: Any) -> str:
    """An assertion with these claims in place of good ones."""
    return signer.assertion(claims=signer.claims(**claims))


NOW = 1_800_000_000
WRONG_CLAIMS: list[dict[str, Any]] = [
    *({name: None} for name in ("iss", "sub", "aud", "exp", "jti")),
    *({"aud": value} for value in ("", f"{ISSUER}/", [ISSUER, "x"], [ISSUER, ISSUER], [], {}, {ISSUER: 1}, 7, True)),
    *({"iss": value} for value in ("other", "", "BFF", ISSUER, ["bff"], 7)),
    *({"sub": value} for value in ("other", "", "BFF", ["bff"], 7, "b f")),
    *({"jti": value} for value in ("", 7, ["x"], True, "x" * 256)),
    *({"exp": value} for value in ("1800000060", True, -1, 0, 1e308, 2**60, 10**30, [NOW], NOW - 10, NOW + 611)),
    *({"iat": value} for value in (NOW + 11, "x", True, -1, 1e308)),
    *({"nbf": value} for value in (NOW + 11, "x", True, -1, 1e308)),
]


@pytest.mark.parametrize("claims", WRONG_CLAIMS, ids=lambda claims: json.dumps(claims)[:60])
def test_claims_that_are_wrong_are_refused(signer: Signer, clock: FakeClock, claims: dict[str, Any]) -> None:
    """Missing, of another type, for somebody else, too long ago, or too far ahead."""
    assert verified(changed(signer, **claims), clock) is None


@pytest.mark.parametrize(
    "claims",
    [{"exp": NOW - 9}, {"exp": NOW + 610}, {"exp": NOW + 0.5}, {"iat": NOW + 10}, {"nbf": NOW + 10}, {"iat": None}],
    ids=str,
)
def test_clocks_may_differ_a_little(signer: Signer, clock: FakeClock, claims: dict[str, Any]) -> None:
    """By the leeway, and no more; `iat` and `nbf` need not be there."""
    assert verified(changed(signer, **claims), clock)


def test_case_35_an_assertion_is_good_for_minutes_at_most(signer: Signer, clock: FakeClock) -> None:
    """Whatever it says: no assertion that is taken could be used for longer than this."""
    assertion = verified(changed(signer, exp=clock() // 1000 + 600), clock)
    assert assertion
    assert assertion.good_until <= clock() + LONGEST_LIFE + LEEWAY


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 5000])
def test_numbers_that_are_none_are_refused(signer: Signer, clock: FakeClock, number: str) -> None:
    """An `exp` that JSON does not know, or that nobody can count."""
    claims = json.dumps(signer.claims(exp="here")).replace('"here"', number)
    assert verified(signer.assertion(claims=claims), clock) is None


@pytest.mark.parametrize("member", ["sub", "aud", "exp"])
def test_a_claim_that_is_named_twice_is_refused(signer: Signer, clock: FakeClock, member: str) -> None:
    """Readers differ on which of the two counts."""
    claims = signer.claims()
    twice = json.dumps(claims)[:-1] + f", {json.dumps(member)}: {json.dumps(claims[member])}}}"
    assert verified(signer.assertion(claims=twice), clock) is None


def test_an_algorithm_that_is_named_twice_is_refused(signer: Signer, clock: FakeClock) -> None:
    """Nor in the header."""
    assert verified(signer.assertion('{"alg":"none","alg":"ES256"}'), clock) is None


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", None, "HS256", "RS256", "ES384", "es256", 7, ["ES256"], {}], ids=str
)
@pytest.mark.parametrize("is_signed", [True, False])
def test_the_algorithm_is_that_of_the_key(signer: Signer, clock: FakeClock, alg: object, *, is_signed: bool) -> None:
    """Any other in the header is refused, signed or not (case 28)."""
    assertion = signer.assertion(signer.header(alg=alg))
    assert verified(assertion if is_signed else assertion.rpartition(".")[0] + ".", clock) is None


@pytest.mark.parametrize("form", ["PEM", "DER", "JWK"])
def test_the_public_key_is_no_secret(signer: Signer, clock: FakeClock, form: str) -> None:
    """HS256 keyed with the client's public key, in each of its forms (case 28)."""
    public = private_key("ES256").public_key()
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    keys = {
        "PEM": public.public_bytes(serialization.Encoding.PEM, info),
        "DER": public.public_bytes(serialization.Encoding.DER, info),
        "JWK": json.dumps(public_jwk()).encode(),
    }
    signing_input = f"{segment(signer.header(alg='HS256'))}.{segment(signer.claims())}"
    tag = hmac.digest(keys[form], signing_input.encode(), hashlib.sha256)
    assert verified(f"{signing_input}.{segment(tag)}", clock) is None


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_keys_that_an_assertion_brings_along_are_ignored(clock: FakeClock, member: str) -> None:
    """The registered key counts: a thief's is no use, and nothing is fetched (case 29)."""
    values = {"jwk": public_jwk(name="thief"), "x5c": ["AAAA"]}
    value = values.get(member, "https://thief.test/keys")
    for name, is_taken in (("", True), ("thief", False)):
        signer = Signer("bff", clock, name=name)
        assert bool(verified(signer.assertion(signer.header(**{member: value})), clock)) is is_taken


@pytest.mark.parametrize("member", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"b64": True}], ids=str)
def test_what_would_have_to_be_understood_is_refused(signer: Signer, clock: FakeClock, member: dict[str, Any]) -> None:
    """`crit` and `b64` (case 30)."""
    assert verified(signer.assertion({**signer.header(), **member}), clock) is None


def test_json_serialization_is_no_assertion(signer: Signer, clock: FakeClock) -> None:
    """Only the compact one is (case 30)."""
    header, claims, signature = signer.assertion().split(".")
    assert verified(json.dumps({"protected": header, "payload": claims, "signature": signature}), clock) is None


def test_the_encoding_has_one_spelling(signer: Signer, clock: FakeClock) -> None:
    """Padding, white space, other bits behind the last byte, another alphabet, more segments (case 33)."""
    good = signer.assertion()
    header, claims, signature = good.split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(signature[-1])
    other = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last ^ 1]
    for bad in (
        f"{good}=",
        f"{good}\n",
        f" {good}",
        f"{good}.",
        f".{good}",
        f"{header}.{claims}",
        f"{header}..{signature}",
        good[:-1] + other,
        signer.sealed(header + "=", claims),
        signer.sealed(header, claims + "\n"),
    ):
        assert verified(bad, clock) is None, bad
    assert verified(good, clock)


def test_other_forms_of_a_signature_are_refused(signer: Signer, clock: FakeClock) -> None:
    """DER, and numbers that ECDSA does not know (case 33)."""
    signing_input = f"{segment(signer.header())}.{segment(signer.claims())}"
    zero, order = bytes(32), ORDER.to_bytes(32, "big")
    for signature in (
        der_signature(private_key("ES256"), signing_input.encode()),
        *(r + s for r in (zero, order) for s in (zero, order)),
        b"",
        bytes(63),
        bytes(65),
    ):
        assert verified(f"{signing_input}.{segment(signature)}", clock) is None


def deep(depth: int) -> str:
    """A JSON object that is so deep."""
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    "text",
    [
        "." * 100_000,
        "A" * 1_000_000,
        "a.b.c",
        "..",
        "",
        f"{segment(deep(1000))}.e30.AA",
        f"{segment('x' * 2**20)}.e30.AA",
        "é.é.é",
        "\ud800.\ud800.\ud800",
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_too_much_or_nothing_is_refused(clock: FakeClock, text: str) -> None:
    """Whatever it is, nothing is raised (case 34)."""
    assert verified(text, clock) is None
    assert ClientAssertionVerifier(ISSUER).claimed_client(text) == ""


@pytest.mark.parametrize("nested", [deep(65), "[" * 65 + "]" * 65, '"[[[[' + '\\"' * 50])
def test_claims_are_looked_at_for_their_depth_before_they_are_parsed(
    signer: Signer, clock: FakeClock, nested: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too deep, it reaches no parser; brackets in a text are no depth."""
    parsed: list[str] = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text, **options: parsed.append(text) or loads(text, **options))
    header = segment(signer.header())
    assert verified(signer.sealed(header, segment(f'{{"x":{nested}}}')), clock) is None
    assert len(parsed) == (2 if nested.startswith('"') else 1)


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "k" * 1000, 7, None, ["x"]], ids=str)
def test_a_key_id_that_is_not_registered_is_refused(signer: Signer, clock: FakeClock, kid: object) -> None:
    """Whatever it is; where the registered key has no name, none can be named (case 34)."""
    header = {**signer.header(), "kid": kid}
    assert bool(verified(signer.assertion(header), clock)) is (kid is None)


def test_of_several_keys_the_named_one_counts(clock: FakeClock) -> None:
    """Each by its `kid`; without one it is not clear which."""
    jwks = jwks_of(public_jwk(name="a", kid="a"), public_jwk(name="b", kid="b"))
    keys = ClientKeys(jwks, ("ES256",))
    client = Client("bff", auth_method=AuthMethod.PRIVATE_KEY_JWT, keys=keys)
    for name in ("a", "b"):
        signer = Signer("bff", clock, name=name)
        taken = [kid for kid in (None, "a", "b") if verified(signer.assertion(signer.header(kid=kid)), clock, client)]
        assert taken == [name]


@pytest.mark.parametrize(
    "client",
    [
        replace(BFF, disabled=True),
        replace(BFF, auth_method=AuthMethod.SECRET),
        replace(BFF, auth_method=AuthMethod.TLS),
        replace(BFF, auth_method=None),
        replace(BFF, keys=ClientKeys(BFF.keys.jwks, ("ES384",))),
        replace(BFF, keys=ClientKeys(BFF.keys.jwks)),
        replace(BFF, keys=OTHER.keys),
        replace(BFF, keys=ClientKeys("not understood here", ("ES256",))),
        replace(BFF, client_id="another"),
    ],
    ids=["disabled", "secret", "tls", "public", "algorithm", "no algorithm", "other key", "other version", "unknown"],
)
def test_case_36_the_client_has_to_be_one_that_signs_so(signer: Signer, clock: FakeClock, client: Client) -> None:
    """Disabled, by another method, with another key or algorithm, or not there (case 36)."""
    assert verified(signer.assertion(), clock, client) is None


def test_case_36_another_clients_key_is_of_no_use(clock: FakeClock) -> None:
    """Neither to be `bff` by the key of `other`, nor the other way round (case 36)."""
    assert verified(Signer("bff", clock, name="other").assertion(), clock) is None
    assert verified(Signer("other", clock).assertion(), clock) is None


CHEAP = [{"iss": "x"}, {"aud": "x"}, {"exp": NOW - 100}, {"exp": NOW + 10_000}, {"jti": None}, {"nbf": NOW + 100}]


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The algorithms by which signatures are checked from now on."""
    found: list[str] = []
    is_signed = client_assertions.is_signed

    def counting(jwt: Jwt, algorithm: str, public: Any) -> bool:
        found.append(algorithm)
        return is_signed(jwt, algorithm, public)

    monkeypatch.setattr(client_assertions, "is_signed", counting)
    return found


@pytest.mark.parametrize("claims", CHEAP, ids=str)
def test_wrong_claims_cost_no_signature(
    signer: Signer, clock: FakeClock, checks: list[str], claims: dict[str, Any]
) -> None:
    """The signature comes last."""
    assert verified(changed(signer, **claims), clock) is None
    assert checks == []


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA", "RS256", "PS256"])
def test_who_is_not_there_costs_as_much_as_who_is(clock: FakeClock, checks: list[str], algorithm: str) -> None:
    """One signature check by the same algorithm: the time does not tell whether a client exists (case 37)."""
    right, user = Client("bff", **by_assertion(algorithm)), Client("user", **by_assertion(algorithm))
    for client in (right, replace(right, disabled=True), replace(right, keys=OTHER.keys), OTHER):
        verified(Signer("bff", clock, algorithm, name="thief").assertion(), clock, client, user)
    assert checks == [algorithm] * 4


def test_an_algorithm_of_no_client_costs_nothing(clock: FakeClock, checks: list[str]) -> None:
    """A stranger does not choose the dearest signature there is."""
    for algorithm in ("ES384", "RS256"):
        assert verified(Signer("bff", clock, algorithm).assertion(), clock) is None
    assert checks == []


def test_who_is_claimed_can_be_told_of_any_assertion(signer: Signer) -> None:
    """Right or wrong, for the audit trail."""
    assert ClientAssertionVerifier(ISSUER).claimed_client(changed(signer, exp=0, iss="x")) == "bff"
