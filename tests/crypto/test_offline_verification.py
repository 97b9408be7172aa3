"""What somebody else makes of our tokens: the JWKS is all they need, and it gives nothing away."""

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest

from tests.crypto.forging import TOKEN, new_key
from tests.harness import ISSUER
from tokensvc.crypto.access_tokens import AccessTokenSigner
from tokensvc.crypto.key_ring import SigningKey
from tokensvc.domain.access_token import to_claims

# The clock of these tokens stands still.
TIMELESS = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}


def verified_by_pyjwt(text: str, jwks: str, audience: str = "api") -> dict[str, Any]:
    """Verify with PyJWT and the JWKS alone."""
    key = jwt.PyJWKSet.from_json(jwks)[jwt.get_unverified_header(text)["kid"]]
    required = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]  # RFC 9068, 2.2
    options: Any = {**TIMELESS, "require": required}
    return dict(jwt.decode(text, key, algorithms=["ES256"], audience=audience, issuer=ISSUER, options=options))


def test_a_token_verifies_with_the_jwks_alone(signer: AccessTokenSigner) -> None:
    """PyJWT, knowing nothing but the JWKS, reads the claims as they were signed."""
    assert verified_by_pyjwt(signer.sign(TOKEN), signer.jwks()) == to_claims(TOKEN)


def test_a_token_for_another_audience_does_not_verify(signer: AccessTokenSigner) -> None:
    """The audience protects services that verify for themselves."""
    with pytest.raises(jwt.InvalidAudienceError):
        verified_by_pyjwt(signer.sign(TOKEN), signer.jwks(), audience="payroll")


def test_a_token_of_another_installation_does_not_verify(signer: AccessTokenSigner, key: SigningKey) -> None:
    """A key of the same name in another installation vouches for nothing here."""
    other = replace(new_key("other"), key_id=key.key_id)
    with pytest.raises(jwt.InvalidSignatureError):
        verified_by_pyjwt(AccessTokenSigner([replace(other, key_id=key.key_id)], ISSUER).sign(TOKEN), signer.jwks())


def test_the_header_says_type_algorithm_and_key(signer: AccessTokenSigner, key: SigningKey) -> None:
    """The header has these three members and no other (RFC 9068, 2.1)."""
    assert jwt.get_unverified_header(signer.sign(TOKEN)) == {"typ": "at+jwt", "alg": "ES256", "kid": key.key_id}


def test_the_jwks_has_public_members_only(signer: AccessTokenSigner, key: SigningKey) -> None:
    """A published key has its point and what it is for, and no private part (RFC 7518, 6.2)."""
    (jwk,) = json.loads(signer.jwks())["keys"]
    assert jwk.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (jwk["kty"], jwk["crv"], jwk["alg"], jwk["use"], jwk["kid"]) == ("EC", "P-256", "ES256", "sig", key.key_id)


def test_the_newest_key_signs_and_every_key_verifies(key: SigningKey) -> None:
    """A new key takes over the signing; tokens of the older one go on verifying, here and offline."""
    newer = new_key("newer")
    before = AccessTokenSigner([key], ISSUER)
    after = AccessTokenSigner([key, newer], ISSUER)
    assert jwt.get_unverified_header(after.sign(TOKEN))["kid"] == newer.key_id
    for text in (before.sign(TOKEN), after.sign(TOKEN)):
        assert after.verify(text) is not None
        assert verified_by_pyjwt(text, after.jwks())["sub"] == "ada"


def test_a_removed_key_vouches_for_nothing(key: SigningKey) -> None:
    """A key that is gone from the ring takes its tokens with it."""
    newer = new_key("newer")
    text = AccessTokenSigner([key], ISSUER).sign(TOKEN)
    assert AccessTokenSigner([newer], ISSUER).verify(text) is None


def test_a_key_does_not_show_its_private_part(key: SigningKey) -> None:
    """No representation of a key that could reach a log has the private key in it."""
    assert "private" not in repr(key)
