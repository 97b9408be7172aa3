"""A token that is bound to a key is accepted with a proof of it alone (RFC 9449, 7; RFC 8705, 3)."""

import hashlib
from typing import Any

import pytest
from tokensvc_client import Confirmation, DpopProof
from tokensvc_client.verification import InvalidProofError, UnverifiableError, VerificationPolicy
from tokensvc_client.verification.dpop import Proofs
from tokensvc_client.verification.http_uri import normalized

from tests.client.verification.conftest import MakeScene
from tests.client.verification.scene import FORGER, Scene
from tests.crypto import test_dpop_proofs as attacks
from tests.crypto.forging import base64url
from tests.domain import test_http_uri as uris
from tests.proofs import METHOD, NOW, URI, a_phone
from tokensvc.crypto.dpop_proofs import read_proof
from tokensvc.domain import http_uri
from tokensvc.domain.dpop_proof import hash_of

PHONE = attacks.PHONE
CERTIFICATE = b"some certificate, in DER"
THUMBPRINT = base64url(hashlib.sha256(CERTIFICATE).digest())
BOUND = FORGER.token(claims=FORGER.claims(cnf={"jkt": PHONE.jkt}))
OTHER_BOUND = FORGER.token(claims=FORGER.claims(cnf={"jkt": PHONE.jkt}, jti="jti-2"))
BOUND_TO_CERTIFICATE = FORGER.token(claims=FORGER.claims(cnf={"x5t#S256": THUMBPRINT}))


def shown(proof: str, method: str = METHOD, uri: str = URI) -> DpopProof:
    """The proof with the request that it came with."""
    return DpopProof(proof, method, uri)


def test_a_proof_shows_the_key(scene: Scene) -> None:
    """With each request another one."""
    for _ in range(2):
        assert scene.verify(BOUND, proof=shown(PHONE.proof_with(BOUND))).subject == "ada"


def test_a_bound_token_without_its_proof_is_refused(scene: Scene) -> None:
    """Whoever has stolen it has nothing."""
    with pytest.raises(InvalidProofError):
        scene.verify(BOUND)
    with pytest.raises(InvalidProofError):
        scene.verify(BOUND, certificate=CERTIFICATE)


def test_a_proof_works_once(scene: Scene) -> None:
    """Also with another token of the same key, for which it was not made anyway."""
    proof = PHONE.proof_with(BOUND)
    scene.verify(BOUND, proof=shown(proof))
    with pytest.raises(InvalidProofError, match="used before"):
        scene.verify(BOUND, proof=shown(proof))


def test_a_refused_token_does_not_use_its_proof_up(scene: Scene) -> None:
    """A verifier that was stale a moment ago accepts the same request when it is repeated."""
    scene.advance(20.0, fresh=False)
    proof = shown(PHONE.proof_with(BOUND, iat=NOW + 20))
    with pytest.raises(UnverifiableError):
        scene.verify(BOUND, proof=proof)
    scene.hear()
    assert scene.verify(BOUND, proof=proof)


WRONG: list[dict[str, Any]] = [
    {"htm": "GET"},
    {"htu": "https://bff.test/other"},
    {"iat": NOW - 60},
    {"iat": NOW + 11},
    {"ath": hash_of(OTHER_BOUND)},
    {"ath": None},
    {"ath": "é"},
    {"ath": ""},
    {"jti": "x" * 256},
]


@pytest.mark.parametrize("claims", WRONG)
def test_a_proof_for_something_else_is_refused(scene: Scene, claims: dict[str, Any]) -> None:
    """For another request, another moment or another token."""
    with pytest.raises(InvalidProofError):
        scene.verify(BOUND, proof=shown(PHONE.proof(**{"ath": hash_of(BOUND), **claims})))


def test_a_proof_by_another_key_is_refused(scene: Scene) -> None:
    """It is good in itself, and shows the wrong key."""
    with pytest.raises(InvalidProofError):
        scene.verify(BOUND, proof=shown(a_phone().proof_with(BOUND)))


@pytest.mark.parametrize("text", [FORGER.token(), BOUND_TO_CERTIFICATE], ids=["nothing", "certificate"])
def test_a_proof_for_a_token_without_a_key_is_refused(scene: Scene, text: str) -> None:
    """A stolen bearer token does not become better by a proof of the thief's (RFC 9449, 7.1)."""
    with pytest.raises(InvalidProofError):
        scene.verify(text, proof=shown(PHONE.proof_with(text)), certificate=CERTIFICATE)


def test_a_certificate_must_be_that_of_the_token(scene: Scene) -> None:
    """The thumbprint of the connection's certificate is compared; one that is bound to none does not mind."""
    assert scene.verify(BOUND_TO_CERTIFICATE, certificate=CERTIFICATE)
    assert scene.verify(FORGER.token(), certificate=CERTIFICATE)
    for other in (None, b"", CERTIFICATE + b"."):
        with pytest.raises(InvalidProofError):
            scene.verify(BOUND_TO_CERTIFICATE, certificate=other)


def test_the_memory_of_proofs_is_bounded(make_scene: MakeScene) -> None:
    """When it is full of proofs that might be replayed, no more are accepted; when they are too old, it is empty."""
    scene = make_scene(VerificationPolicy(most_proofs=2))
    for _ in range(2):
        scene.verify(BOUND, proof=shown(PHONE.proof_with(BOUND)))
    with pytest.raises(UnverifiableError):
        scene.verify(BOUND, proof=shown(PHONE.proof_with(BOUND)))
    scene.advance(71.0)
    assert scene.verify(BOUND, proof=shown(PHONE.proof_with(BOUND, iat=NOW + 71)))


FORGED = [
    *(PHONE.signed(PHONE.header(typ=type_), PHONE.claims(ath=hash_of(BOUND))) for type_ in attacks.TYPES),
    *(PHONE.signed({**PHONE.header(), "jwk": jwk}, PHONE.claims(ath=hash_of(BOUND))) for jwk in attacks.KEYS),
    *(PHONE.proof(**{"ath": hash_of(BOUND), **changes}) for changes in attacks.CLAIMS),
    *attacks.HUGE,
    *(PHONE.signed({**PHONE.header(), name: []}, PHONE.claims(ath=hash_of(BOUND))) for name in ("crit", "b64")),
    *(PHONE.signed(PHONE.header(alg=name), PHONE.claims(ath=hash_of(BOUND))) for name in ("none", "HS256", "ES384", 1)),
]


@pytest.mark.parametrize("text", FORGED, ids=range(len(FORGED)))
def test_what_the_server_does_not_read_is_refused(text: str) -> None:
    """The attacks that the server's own reader is tested with."""
    assert read_proof(text) is None
    with pytest.raises(InvalidProofError):
        Proofs(10).check(shown(text), Confirmation(jkt=PHONE.jkt), BOUND, NOW)


@pytest.mark.parametrize("phone", attacks.PHONES, ids=attacks.IDS)
def test_every_algorithm_shows_its_key(phone: Any) -> None:
    """Those that the server reads."""
    Proofs(10).check(shown(phone.proof_with(BOUND)), Confirmation(jkt=phone.jkt), BOUND, NOW)


def test_uris_are_compared_as_the_server_compares_them() -> None:
    """The same normal form, for what is a URI and for what is none."""
    texts = [text for value in vars(uris).values() if isinstance(value, list) for text in _texts(value)]
    assert len(texts) > 10
    assert [normalized(text) for text in texts] == [http_uri.normalized(text) for text in texts]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for item in value for text in _texts(item)] if isinstance(value, list | tuple) else []
