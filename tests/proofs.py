"""Phones with keys of their own, which make DPoP proofs, good ones and others (RFC 9449, 4.2)."""

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.crypto.forging import base64url, encoded
from tokensvc.crypto.algorithms import ALGORITHMS, Private
from tokensvc.crypto.jwk import thumbprint
from tokensvc.domain.dpop_proof import RelayedProof, hash_of

METHOD, URI = "POST", "https://bff.test/token"
NOW = 1_800_000_000  # where the clocks of tests stand, in seconds

_MAKING: dict[str, Any] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
}
_names = itertools.count(1)


@dataclass(frozen=True)
class Phone:
    """Somebody with a private key, who can sign anything with it."""

    algorithm: str = "ES256"
    private: Private = field(default_factory=_MAKING["ES256"], repr=False)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key."""
        jwk = json.loads(ALGORITHMS[self.algorithm].public_jwk(self.private.public_key(), "1"))
        return {name: value for name, value in jwk.items() if name not in ("kid", "use", "alg")}

    @property
    def jkt(self) -> str:
        """Its thumbprint."""
        return thumbprint(self.jwk)

    def header(self, **changes: Any) -> dict[str, Any]:
        """The header of a good proof, with changes; what is changed to None is left out."""
        return _without_none({"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.jwk, **changes})

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good proof, each time with another jti, with changes; what is changed to None is left out."""
        return _without_none({"jti": f"proof-{next(_names)}", "htm": METHOD, "htu": URI, "iat": NOW, **changes})

    def signed(self, header: Any, claims: Any) -> str:
        """A JWT of this header and these claims."""
        signing_input = f"{encoded(header)}.{encoded(claims)}"
        signature = ALGORITHMS[self.algorithm].sign(self.private, signing_input.encode())
        return f"{signing_input}.{base64url(signature)}"

    def proof(self, **claims: Any) -> str:
        """A proof with changes to its claims."""
        return self.signed(self.header(), self.claims(**claims))

    def proof_with(self, access_token: str, **claims: Any) -> str:
        """A proof that comes with an access token."""
        return self.proof(ath=hash_of(access_token), **claims)


def a_phone(algorithm: str = "ES256") -> Phone:
    """A phone with a new key."""
    return Phone(algorithm, _MAKING[algorithm]())


def relayed(proof: str, method: str = METHOD, uri: str = URI) -> RelayedProof:
    """The proof with the request that it came with."""
    return RelayedProof(proof, method, uri)


def dpop(proof: str, method: str = METHOD, uri: str = URI) -> dict[str, str]:
    """The same as a field of requests."""
    return {"proof": proof, "method": method, "uri": uri}


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
