"""Claims that the right key has signed, and that are refused all the same."""

import json
from typing import Any

import pytest

from tests.crypto.forging import Forger
from tests.harness import ISSUER
from tokensvc.crypto.access_tokens import AccessTokenSigner

MOMENTS = ("exp", "iat", "auth_time", "orig_iat", "rev")


@pytest.mark.parametrize("name", ["iss", "sub", "client_id", "aud", "scope", "iat", "exp", "jti", "orig_iat", "rev"])
def test_a_missing_claim_is_refused(signer: AccessTokenSigner, forger: Forger, name: str) -> None:
    """A token that does not say everything says nothing."""
    claims = forger.claims()
    del claims[name]
    assert signer.verify(forger.token(claims=claims)) is None


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("value", ["1800000300", True, None, -1, 1e308, [], {}], ids=repr)
def test_a_moment_of_another_type_is_refused(
    signer: AccessTokenSigner, forger: Forger, name: str, value: object
) -> None:
    """A lifetime that is no plain number is none, and certainly not an endless one."""
    assert signer.verify(forger.token(claims=forger.claims(**{name: value}))) is None


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize(
    "literal",
    ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1.8e9", "9" * 5000, "0x7fffffff", "1_000"],
    ids=lambda literal: literal[:12],
)
def test_a_number_beyond_json_is_refused(signer: AccessTokenSigner, forger: Forger, name: str, literal: str) -> None:
    """What JSON does not know, and numbers larger than anybody needs, do not crash the reader and are refused."""
    claims = json.dumps(forger.claims(**{name: "here"})).replace('"here"', literal)
    refused = signer.verify(forger.token(claims=claims)) is None
    assert refused == (name != "orig_iat" or literal != "1.8e9")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_no_claim_at_all_may_be_beyond_json(signer: AccessTokenSigner, forger: Forger, literal: str) -> None:
    """Further claims are JSON too."""
    claims = json.dumps(forger.claims(tenant=["here"])).replace('"here"', literal)
    assert signer.verify(forger.token(claims=claims)) is None


@pytest.mark.parametrize("name", ["iss", "sub", "client_id", "jti", "sid", "device_id", "acr"])
@pytest.mark.parametrize("value", ["", None, 0, True, ["ada"], {"ada": 1}], ids=repr)
def test_a_name_of_another_type_is_refused(signer: AccessTokenSigner, forger: Forger, name: str, value: object) -> None:
    """A name is a text that is not empty."""
    assert signer.verify(forger.token(claims=forger.claims(**{name: value}))) is None


@pytest.mark.parametrize("value", ["api", [], [""], [1], [["api"]], {"api": 1}, None, True], ids=repr)
def test_an_audience_of_another_form_is_refused(signer: AccessTokenSigner, forger: Forger, value: object) -> None:
    """Audiences are a list of texts with something in it."""
    assert signer.verify(forger.token(claims=forger.claims(aud=value))) is None


@pytest.mark.parametrize(
    "issuer", ["https://other.test", ISSUER + "/", ISSUER.upper(), ISSUER[:-1], "", None, [ISSUER]], ids=repr
)
def test_a_foreign_issuer_is_refused(signer: AccessTokenSigner, forger: Forger, issuer: object) -> None:
    """Two services that share a key do not share tokens."""
    assert signer.verify(forger.token(claims=forger.claims(iss=issuer))) is None


@pytest.mark.parametrize("name", ["sub", "exp", "iss", "tenant"])
@pytest.mark.parametrize("same", [True, False])
def test_a_claim_named_twice_is_refused(signer: AccessTokenSigner, forger: Forger, name: str, same: bool) -> None:
    """A claim that stands there twice is refused, also where both agree and also among the further claims."""
    claims: dict[str, Any] = forger.claims(tenant="acme")
    first = json.dumps(claims[name] if same else "another")
    text = f'{{"{name}":{first},{json.dumps(claims)[1:]}'
    assert json.loads(text) == claims
    assert signer.verify(forger.token(claims=text)) is None


def test_a_nested_member_named_twice_is_refused(signer: AccessTokenSigner, forger: Forger) -> None:
    """The same at any depth."""
    text = json.dumps(forger.claims(tenant=[{"id": 1}])).replace('{"id": 1}', '{"id": 1, "id": 2}')
    assert signer.verify(forger.token(claims=text)) is None


def test_names_that_look_alike_are_two_names(signer: AccessTokenSigner, forger: Forger) -> None:
    """An escaped spelling of a name is that name, so it counts as its second mention."""
    text = json.dumps(forger.claims()).replace('{"iss"', '{"\\u0069ss": "https://other.test", "iss"')
    assert json.loads(text) == forger.claims()
    assert signer.verify(forger.token(claims=text)) is None


@pytest.mark.parametrize(
    "claims",
    ["", "[]", "null", "1", '"sub"', "{", "{}", "{}{}", '{"sub":"ada",}', b"\xff", b"\xef\xbb\xbf{}", b"\x00"],
    ids=repr,
)
def test_claims_that_are_no_json_object_are_refused(
    signer: AccessTokenSigner, forger: Forger, claims: str | bytes
) -> None:
    """The claims are one JSON object in UTF-8."""
    assert signer.verify(forger.token(claims=claims)) is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le", "utf-8-sig"])
def test_claims_in_another_encoding_are_refused(signer: AccessTokenSigner, forger: Forger, encoding: str) -> None:
    """JSON readers that guess the encoding read what others do not."""
    assert signer.verify(forger.token(claims=json.dumps(forger.claims()).encode(encoding))) is None


def test_further_claims_are_kept(signer: AccessTokenSigner, forger: Forger) -> None:
    """What the caller of Issue has added is read back as it was written."""
    token = signer.verify(forger.token(claims=forger.claims(tenant="acme", roles=["admin", 1.5, None])))
    assert token is not None
    assert token.claims == {"tenant": "acme", "roles": ["admin", 1.5, None]}
