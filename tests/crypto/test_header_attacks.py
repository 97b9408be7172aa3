"""What a JWT header may say: one type, one algorithm, one key, and nothing else (RFC 8725, 3)."""

import hashlib
import hmac
import json
import socket
from typing import Any, NoReturn

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.crypto.forging import Forger, encoded, new_key, raw_signature
from tests.harness import ISSUER
from tokensvc.crypto.access_tokens import AccessTokenSigner
from tokensvc.crypto.key_ring import SigningKey

NOBODY = new_key("nobody")


def test_the_forgers_good_token_passes(signer: AccessTokenSigner, forger: Forger) -> None:
    """A token put together by hand passes when nothing is wrong with it: what follows is refused for its fault."""
    token = signer.verify(forger.token())
    assert token is not None
    assert token.subject == "ada"


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", " ", None, 0, False, [], ["none"], {}], ids=repr
)
@pytest.mark.parametrize("signature", [b"", b"\0" * 64])
def test_alg_none_is_refused(signer: AccessTokenSigner, forger: Forger, algorithm: object, signature: bytes) -> None:
    """No spelling of none, and no other absence of an algorithm, makes a token that needs no signature."""
    assert signer.verify(forger.token(forger.header(alg=algorithm), signing=lambda _: signature)) is None


@pytest.mark.parametrize("member", ["alg", "typ", "kid"])
def test_a_missing_member_is_refused(signer: AccessTokenSigner, forger: Forger, member: str) -> None:
    """Algorithm, type and key are all named, also where there is only one to choose from."""
    header = forger.header()
    del header[member]
    assert signer.verify(forger.token(header)) is None


@pytest.mark.parametrize(
    "algorithm",
    ["es256", "ES256 ", "ES256K", "ES384", "ES512", "RS256", "PS256", "EdDSA", "HS256", ["ES256"], {"ES256": 1}],
    ids=repr,
)
def test_an_algorithm_other_than_the_keys_is_refused(
    signer: AccessTokenSigner, forger: Forger, algorithm: object
) -> None:
    """The algorithm is the key's; a header that says another one is refused, its signature good as it is."""
    assert signer.verify(forger.token(forger.header(alg=algorithm))) is None


def public_key_spellings(key: SigningKey) -> dict[str, bytes]:
    """Everything that a careless verifier might take for an HMAC secret."""
    pem = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.loads(key.public_jwk)
    point = key.public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {
        "PEM": pem,
        "PEM without its last line break": pem.strip(),
        "DER": key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": key.public_jwk.encode(),
        "compact JWK": json.dumps(jwk, separators=(",", ":")).encode(),
        "JWK Set": json.dumps({"keys": [jwk]}).encode(),
        "point": point,
        "x": jwk["x"].encode(),
        "kid": key.key_id.encode(),
        "nothing": b"",
    }


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("spelling", public_key_spellings(NOBODY))
def test_hmac_with_the_public_key_is_refused(
    signer: AccessTokenSigner, forger: Forger, algorithm: str, spelling: str
) -> None:
    """What everybody may know, the public key, signs nothing, in whichever form and under whichever header."""
    secret, digest = public_key_spellings(forger.key)[spelling], f"sha{algorithm[2:]}"

    def signing(signing_input: bytes) -> bytes:
        return hmac.new(secret, signing_input, getattr(hashlib, digest)).digest()

    assert signer.verify(forger.token(forger.header(alg=algorithm), signing=signing)) is None
    assert signer.verify(forger.token(forger.header(alg="ES256"), signing=signing)) is None


EXTRA_MEMBERS: list[dict[str, Any]] = [
    {"jwk": json.loads(NOBODY.public_jwk)},
    {"jku": "http://127.0.0.1:1/jwks.json"},
    {"x5u": "http://127.0.0.1:1/chain.pem"},
    {"x5c": ["MIIB"]},
    {"x5t": "AAAA"},
    {"crit": []},
    {"crit": ["exp"]},
    {"crit": ["b64"], "b64": True},
    {"b64": False},
    {"b64": False, "crit": ["b64"]},
    {"zip": "DEF"},
    {"cty": "JWT"},
    {"enc": "A256GCM"},
    {"iss": ISSUER},
    {"": ""},
]


@pytest.mark.parametrize("extra", EXTRA_MEMBERS, ids="+".join)
def test_a_further_member_is_refused(
    signer: AccessTokenSigner, forger: Forger, extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header that brings or points to a key, or demands anything, is refused, and nothing is fetched for it."""
    monkeypatch.setattr(socket, "socket", _no_network)
    monkeypatch.setattr(socket, "getaddrinfo", _no_network)
    assert signer.verify(forger.token({**forger.header(), **extra})) is None


@pytest.mark.parametrize("kid", [NOBODY.key_id, None], ids=["its own kid", "our kid"])
def test_an_embedded_key_is_not_used(signer: AccessTokenSigner, forger: Forger, kid: str | None) -> None:
    """A token signed by the very key that it brings along is nobody's."""
    header = forger.header(kid=kid or forger.key.key_id, jwk=json.loads(NOBODY.public_jwk))
    assert signer.verify(forger.token(header, signing=lambda data: raw_signature(NOBODY.private, data))) is None


def test_an_unencoded_payload_is_refused(signer: AccessTokenSigner, forger: Forger) -> None:
    """RFC 7797 leaves the claims as they are; here they are base64url or nothing."""
    header = encoded(forger.header(b64=False, crit=["b64"]))
    assert signer.verify(forger.sealed(header, json.dumps(forger.claims()).replace(".", ""))) is None


@pytest.mark.parametrize("general", [False, True])
def test_the_json_serialization_is_refused(signer: AccessTokenSigner, forger: Forger, general: bool) -> None:
    """Only the compact form is a token (RFC 7519, 1)."""
    protected, payload, signature = forger.token().split(".")
    one = {"protected": protected, "signature": signature}
    text = json.dumps({"payload": payload, "signatures": [one]} if general else {"payload": payload, **one})
    assert signer.verify(text) is None
    assert signer.verify(text.replace("{", "{..", 1)) is None


@pytest.mark.parametrize(
    "type_",
    ["rt+jwt", "JWT", "jwt", "dpop+jwt", "AT+JWT", "at+JWT", "application/at+jwt", "at+jwt ", "", None, 1, ["at+jwt"]],
    ids=repr,
)
def test_a_type_other_than_access_token_is_refused(signer: AccessTokenSigner, forger: Forger, type_: object) -> None:
    """Nothing else that this key ever signs can pass as an access token (RFC 8725, 3.11)."""
    assert signer.verify(forger.token(forger.header(typ=type_))) is None


@pytest.mark.parametrize(
    "kid",
    [
        "",
        " ",
        "unknown",
        "../../../../dev/null",
        "/dev/null",
        "' OR '1'='1",
        "x'; DROP TABLE keys; --",
        "\0",
        "é",
        "k" * 400,
        None,
        0,
        True,
        [],
        {},
    ],
    ids=lambda kid: repr(kid)[:20],
)
def test_a_key_id_is_only_ever_looked_up(signer: AccessTokenSigner, forger: Forger, kid: object) -> None:
    """A key id that no key has is without effect, whatever its characters mean elsewhere."""
    assert signer.verify(forger.token(forger.header(kid=kid))) is None


def test_a_key_vouches_only_for_tokens_that_name_it(key: SigningKey) -> None:
    """Of two trusted keys, the one that is named has to have signed."""
    both = AccessTokenSigner([key, NOBODY], ISSUER)
    by_the_other = Forger(NOBODY).token(Forger(key).header())
    assert both.verify(Forger(NOBODY).token()) is not None
    assert both.verify(by_the_other) is None


@pytest.mark.parametrize("member", ["typ", "alg", "kid"])
def test_a_member_named_twice_is_refused(signer: AccessTokenSigner, forger: Forger, member: str) -> None:
    """Of two members of one name no two readers choose the same; good values do not help."""
    text = json.dumps(forger.header())
    twice = f'{{"{member}":{json.dumps(forger.header()[member])},{text[1:]}'
    assert json.loads(twice) == forger.header()
    assert signer.verify(forger.token(twice)) is None


@pytest.mark.parametrize(
    "header",
    ["", "[]", "null", "1", '"at+jwt"', "{", "{}", "{}{}", "{'alg':'ES256'}", b"\xff\xfe", b"\xef\xbb\xbf{}"],
    ids=repr,
)
def test_a_header_that_is_no_json_object_is_refused(
    signer: AccessTokenSigner, forger: Forger, header: str | bytes
) -> None:
    """The header is one JSON object in UTF-8."""
    assert signer.verify(forger.token(header)) is None


def _no_network(*_arguments: object, **_options: object) -> NoReturn:
    raise AssertionError("a token made the verifier reach out")
