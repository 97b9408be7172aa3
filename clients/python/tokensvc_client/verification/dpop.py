"""Owns proof of possession: what a request has to show where its token is bound to a key (RFC 9449, 7; RFC 8705, 3)."""

import hashlib
import hmac
from dataclasses import dataclass
from threading import Lock
from typing import Final

from tokensvc_client.values.tokens import Confirmation, DpopProof
from tokensvc_client.verification import base64url
from tokensvc_client.verification.errors import InvalidProofError, UnverifiableError
from tokensvc_client.verification.http_uri import normalized
from tokensvc_client.verification.json_object import milliseconds, text
from tokensvc_client.verification.jwk import JwkError, PublicKey, read_key
from tokensvc_client.verification.strict_jwt import Jwt, read_segment, taken_apart

TYPE: Final = "dpop+jwt"
_MAX_PROOF: Final = 8192
_MAX_HEADER: Final = 4096  # a key of RSA with 4096 bits takes a third of it
_MAX_URI: Final = 2048
_MAX_ID: Final = 255
_OLDEST: Final = 60.0  # seconds
_LEEWAY: Final = 10.0  # seconds by which a phone's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class _Proof:
    thumbprint: str
    proof_id: str
    method: str
    uri: str
    issued_at: float
    access_token_hash: str


class Proofs:
    """Judges proofs, each of which works once: what was used is remembered until it is too old, in this process alone.

    So a proof can be used once with each process that has a verifier. Who needs more lets Introspect judge it.
    """

    def __init__(self, most: int) -> None:
        """At `most` so many are remembered; when all of them may still be replayed, no more are accepted."""
        self._most = most
        self._used: dict[bytes, float] = {}
        self._lock = Lock()

    def check(self, shown: DpopProof | None, confirmation: Confirmation | None, token: str, now: float) -> None:
        """Fail with InvalidProofError unless a token, by its text, may be used with the proof that is `shown`.

        `now` is in seconds since the epoch. Where the token is bound to no key of DPoP, there must be no proof.
        """
        jkt = confirmation.jkt if confirmation else ""
        if not jkt:
            if shown is not None:
                raise InvalidProofError("the token is not bound to a key that a proof could show")
            return
        if shown is None:
            raise InvalidProofError("the token is bound to a key, and there is no proof of it")
        proof = _read(shown.proof)
        if proof is None or not _is_for(proof, shown) or not now - _OLDEST < proof.issued_at <= now + _LEEWAY:
            raise InvalidProofError("the proof is malformed, for another request, or not made just now")
        expected = base64url.encode(hashlib.sha256(token.encode()).digest())
        is_with = hmac.compare_digest(proof.access_token_hash, expected)
        if not (hmac.compare_digest(proof.thumbprint, jkt) and is_with):
            raise InvalidProofError("the proof is for another token, or by another key than that of the token")
        self._use(f"{proof.thumbprint}{proof.proof_id}", now)

    def _use(self, name: str, now: float) -> None:
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            while self._used and next(iter(self._used.values())) < now:
                del self._used[next(iter(self._used))]
            if self._used.get(digest, now) > now:
                raise InvalidProofError("the proof was used before")
            if len(self._used) >= self._most:
                raise UnverifiableError("more proofs than can be remembered")
            self._used[digest] = now + _OLDEST + _LEEWAY


def check_certificate(certificate: bytes | None, confirmation: Confirmation | None) -> None:
    """Fail with InvalidProofError if the token is bound to another `certificate` (DER) than this (RFC 8705, 3.1)."""
    if confirmation is None or not confirmation.x5t_s256:
        return
    thumbprint = base64url.encode(hashlib.sha256(certificate).digest()) if certificate is not None else ""
    if not hmac.compare_digest(thumbprint, confirmation.x5t_s256):
        raise InvalidProofError("the token is bound to another certificate than that of the connection")


def _read(text_: str) -> _Proof | None:
    """What a proof says that is signed by the key which it brings along (RFC 9449, 4.3); None if it is none."""
    jwt = taken_apart(text_, TYPE, most=_MAX_PROOF, most_of_header=_MAX_HEADER)
    key = _key_of(jwt) if jwt else None
    claims = read_segment(jwt.claims) if jwt and key else None
    if jwt is None or key is None or claims is None:
        return None
    try:
        proof = _Proof(
            key.thumbprint,
            proof_id=text(claims["jti"]),
            method=text(claims["htm"]),
            uri=text(claims["htu"]),
            issued_at=milliseconds(claims["iat"]) / 1000,
            access_token_hash=text(claims["ath"]),
        )
    except (KeyError, TypeError):
        return None
    if (
        not isinstance(claims.get("nonce", ""), str)
        or len(proof.proof_id) > _MAX_ID
        or not proof.access_token_hash.isascii()
    ):
        return None
    return proof if key.has_signed(jwt.signing_input, jwt.signature, jwt.header.get("alg")) else None


def _key_of(jwt: Jwt) -> PublicKey | None:
    try:
        return read_key(jwt.header.get("jwk"))
    except JwkError:
        return None


def _is_for(proof: _Proof, shown: DpopProof) -> bool:
    uri = normalized(shown.uri) if len(shown.uri) <= _MAX_URI else None
    return proof.method == shown.method and uri is not None and normalized(proof.uri) == uri
