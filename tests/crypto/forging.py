"""Access tokens put together by hand, so that everything in them can be wrong."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.fakes import FakeRandomness
from tests.harness import ISSUER
from tokensvc.crypto.key_making import KeyMaker
from tokensvc.crypto.key_ring import SigningKey, open_signing_keys
from tokensvc.crypto.root_keys import RootKey
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.access_token import AccessToken, to_claims

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order n of P-256."""

TOKEN = AccessToken(
    issuer=ISSUER,
    subject="ada",
    client_id="phone",
    audiences=("api",),
    scopes=("read",),
    issued_at=1_800_000_000_000,
    expires_at=1_800_000_300_000,
    token_id="jti-1",
    started_at=1_800_000_000_000,
    started_revision=7,
    session_id="session-1",
)

Signing = Callable[[bytes], bytes]


def new_key(seed: str = "") -> SigningKey:
    """A key pair of a new installation."""
    wrapper = Wrapper(RootKey(bytes(32)))
    (key,) = open_signing_keys(KeyMaker(wrapper, FakeRandomness(seed)).first_keys(0), wrapper)
    return key


def base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def encoded(value: Any) -> str:
    """The segment of a JSON value; text and bytes are taken as they are."""
    if isinstance(value, str):
        value = value.encode()
    return base64url(value if isinstance(value, bytes) else json.dumps(value).encode())


def raw_signature(private: ec.EllipticCurvePrivateKey, signing_input: bytes) -> bytes:
    """An ES256 signature as JWS has it: r and s, 32 bytes each."""
    r, s = decode_dss_signature(der_signature(private, signing_input))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def der_signature(private: ec.EllipticCurvePrivateKey, signing_input: bytes) -> bytes:
    """The same as everybody but JWS writes it."""
    return private.sign(signing_input, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True)
class Forger:
    """Somebody who holds `key`, and can therefore sign whatever is wanted."""

    key: SigningKey

    def header(self, **changes: Any) -> dict[str, Any]:
        """The header that a good token has, with changes."""
        return {"typ": "at+jwt", "alg": "ES256", "kid": self.key.key_id, **changes}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims that a good token has, with changes."""
        return {**to_claims(TOKEN), **changes}

    def token(self, header: Any = None, claims: Any = None, signing: Signing | None = None) -> str:
        """A token with this header and these claims, good ones by default, signed by the key or as told."""
        header = self.header() if header is None else header
        claims = self.claims() if claims is None else claims
        return self.sealed(encoded(header), encoded(claims), signing)

    def sealed(self, header: str, claims: str, signing: Signing | None = None) -> str:
        """The same of two segments that are written already."""
        signing_input = f"{header}.{claims}"
        signature = (
            signing(signing_input.encode()) if signing else raw_signature(self.key.private, signing_input.encode())
        )
        return f"{signing_input}.{base64url(signature)}"
