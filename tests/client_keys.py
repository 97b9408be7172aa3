"""Clients' own key pairs: what they register of them, and the assertions that they sign."""

import base64
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.fakes import FakeClock
from tests.harness import ISSUER
from tokensvc.domain.client_authentication import AuthMethod, ClientKeys

MINUTE = 60


@cache
def private_key(algorithm: str, name: str = "") -> Any:
    """The private key of that `name` for an algorithm."""
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, 2048)


def public_jwk(algorithm: str = "ES256", name: str = "", **changes: Any) -> dict[str, Any]:
    """Its public part, with changes; a member that is changed to None is left out."""
    jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(private_key(algorithm, name).public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return {member: value for member, value in {**jwk, **changes}.items() if value is not None}


def jwks_of(*jwks: dict[str, Any]) -> str:
    """A JWK Set."""
    return json.dumps({"keys": jwks})


def by_assertion(algorithm: str = "ES256", name: str = "") -> dict[str, Any]:
    """The fields of a client that authenticates by assertions of this key."""
    keys = ClientKeys(jwks=jwks_of(public_jwk(algorithm, name)), algorithms=(algorithm,))
    return {"auth_method": AuthMethod.PRIVATE_KEY_JWT, "keys": keys}


def segment(value: Any) -> str:
    """The segment of a JSON value; text and bytes are taken as they are."""
    data = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


@dataclass
class Signer:
    """A client that signs assertions, each with a jti of its own."""

    client_id: str
    clock: FakeClock
    algorithm: str = "ES256"
    name: str = ""
    signed: int = 0

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good assertion, with changes; a claim that is changed to None is left out."""
        self.signed += 1
        now = self.clock() // 1000
        good = {"iss": self.client_id, "sub": self.client_id, "aud": ISSUER, "iat": now, "exp": now + MINUTE}
        claims = {**good, "jti": f"{id(self)}-{self.signed}", **changes}
        return {claim: value for claim, value in claims.items() if value is not None}

    def header(self, **changes: Any) -> dict[str, Any]:
        """The header of a good assertion, with changes."""
        header = {"alg": self.algorithm, "typ": "JWT", **changes}
        return {member: value for member, value in header.items() if value is not None}

    def assertion(self, header: Any = None, claims: Any = None) -> str:
        """An assertion with this header and these claims, which are good ones if nothing is said."""
        return self.sealed(segment(header or self.header()), segment(claims or self.claims()))

    def sealed(self, header: str, claims: str) -> str:
        """The same of two segments that are written already."""
        signing_input = f"{header}.{claims}"
        sign = jwt.get_algorithm_by_name(self.algorithm).sign
        return f"{signing_input}.{segment(sign(signing_input.encode(), private_key(self.algorithm, self.name)))}"
