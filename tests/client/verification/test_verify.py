"""What a verifier accepts, what it says of it, and what it refuses by which exception."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from tokensvc_client import Confirmation
from tokensvc_client.verification import (
    Actor,
    ExpiredTokenError,
    InsufficientScopeError,
    InvalidTokenError,
    RevokedTokenError,
    UnverifiableError,
    VerificationError,
    VerificationPolicy,
    WhenStale,
    WrongAudienceError,
)

from tests.client.verification.conftest import MakeScene
from tests.client.verification.scene import FORGER, Scene
from tests.crypto.forging import TOKEN, base64url
from tests.harness import ISSUER

CERTIFICATE = b"some certificate, in DER"
THUMBPRINT = base64url(hashlib.sha256(CERTIFICATE).digest())


def test_a_good_token_is_accepted(scene: Scene) -> None:
    """What it says is answered, with moments in UTC."""
    token = scene.verify(FORGER.token(), scopes=("read",))
    assert (token.subject, token.client_id, token.session_id, token.token_id) == ("ada", "phone", "session-1", "jti-1")
    assert (token.scopes, token.audiences, token.issuer) == (("read",), ("api",), ISSUER)
    assert token.issued_at == datetime.fromtimestamp(TOKEN.issued_at // 1000, UTC)
    assert token.expires_at == datetime.fromtimestamp(TOKEN.expires_at // 1000, UTC)
    assert (token.claims, token.actor, token.confirmation, token.device_id) == ({}, None, None, "")


def test_everything_that_it_says_is_answered(scene: Scene) -> None:
    """Of a traded token too; further claims cannot be changed, because others are answered the same object."""
    origin = {"jti": "jti-1", "client_id": "phone", "orig_iat": 1, "rev": 1}
    claims = FORGER.claims(
        device_id="d",
        auth_time=1_800_000_000,
        acr="high",
        amr=["pwd"],
        tenant={"roles": ["admin"]},
        cnf={"x5t#S256": THUMBPRINT},
        act={"sub": "b", "client_id": "c", "act": {"sub": "d", "client_id": "e"}},
        exchanged_from=[origin],
    )
    text = FORGER.token(claims=claims)
    token = scene.verify(text, certificate=CERTIFICATE)
    assert (token.device_id, token.acr, token.amr) == ("d", "high", ("pwd",))
    assert token.auth_time == datetime.fromtimestamp(1_800_000_000, UTC)
    assert (token.actor, token.actors) == (Actor("b", "c"), (Actor("b", "c"), Actor("d", "e")))
    assert token.confirmation == Confirmation(x5t_s256=THUMBPRINT)
    tenant: Any = token.claims["tenant"]
    assert tenant["roles"] == ("admin",)
    with pytest.raises(TypeError):
        tenant["roles"] = ()


def test_the_audience_must_be_one_of_the_tokens(scene: Scene) -> None:
    """A token for somebody else is refused, though it is genuine."""
    with pytest.raises(WrongAudienceError):
        scene.verify(FORGER.token(), audience="payroll")


def test_all_scopes_must_be_held(scene: Scene) -> None:
    """The exception names what is needed, for the answer to the caller (RFC 6750, 3)."""
    with pytest.raises(InsufficientScopeError) as caught:
        scene.verify(FORGER.token(), scopes=("read", "write"))
    assert caught.value.scopes == ("read", "write")


def test_a_token_ends_at_its_second(scene: Scene) -> None:
    """The end has no leeway, the first time and when it is known."""
    scene.advance(299.5)
    assert scene.verify(FORGER.token())
    scene.advance(0.5)
    with pytest.raises(ExpiredTokenError):
        scene.verify(FORGER.token())


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_token_of_the_future_is_not_good_yet(scene: Scene, name: str) -> None:
    """But for the leeway, by which the service's clock may be ahead."""
    assert scene.verify(FORGER.token(claims=FORGER.claims(**{name: 1_800_000_005})))
    with pytest.raises(InvalidTokenError):
        scene.verify(FORGER.token(claims=FORGER.claims(**{name: 1_800_000_006})))


REVOKED: list[dict[str, Any]] = [
    {"token_id": "jti-1"},
    {"session_id": "session-1"},
    {"subject": "ada"},
    {"client_id": "phone"},
    {"device": {"subject": "ada", "device_id": "d"}},
    {"subject": "ada", "issued_before": 1_800_000_001},
]


@pytest.mark.parametrize("target", REVOKED, ids="+".join)
def test_a_revoked_token_is_refused_at_once(scene: Scene, target: dict[str, Any]) -> None:
    """Also one whose signature is not checked any more."""
    for _ in range(8):
        scene.hear()
    text = FORGER.token(claims=FORGER.claims(device_id="d", rev=0))
    assert scene.verify(text)
    scene.revoke(**target)
    with pytest.raises(RevokedTokenError):
        scene.verify(text)


@pytest.mark.parametrize("jti", ["first", "actor", "own"])
def test_a_traded_token_dies_with_any_of_its_origins(scene: Scene, jti: str) -> None:
    """It is ended by what it names, and not by its own claims alone."""
    origins = [{"jti": name, "client_id": name, "orig_iat": 1, "rev": 9} for name in ("first", "actor", "own")]
    act = {"sub": "b", "client_id": "b"}
    text = FORGER.token(claims=FORGER.claims(jti="own", act=act, exchanged_from=origins))
    assert scene.verify(text)
    scene.revoke(token_id=jti)
    with pytest.raises(RevokedTokenError):
        scene.verify(text)


def test_a_stale_verifier_accepts_nothing(scene: Scene) -> None:
    """By default it fails closed; what is known to be revoked is said to be revoked."""
    scene.revoke(token_id="revoked")
    scene.advance(10.0, fresh=False)
    assert scene.verify(FORGER.token())
    scene.advance(0.1, fresh=False)
    with pytest.raises(UnverifiableError):
        scene.verify(FORGER.token())
    with pytest.raises(RevokedTokenError):
        scene.verify(FORGER.token(claims=FORGER.claims(jti="revoked")))
    scene.hear()
    assert scene.verify(FORGER.token())


def test_a_stale_verifier_may_ask(make_scene: MakeScene) -> None:
    """Each time, and the answer is kept by nobody; while it is fresh it asks nothing."""
    scene = make_scene(VerificationPolicy(when_stale=WhenStale.ASK))
    text = FORGER.token()
    assert scene.verify(text)
    assert scene.service.introspections == 0
    scene.advance(20.0, fresh=False)
    scene.service.active = {text}
    assert scene.verify(text)
    assert scene.verify(text)
    assert scene.service.introspections == 2
    scene.service.active.clear()
    with pytest.raises(RevokedTokenError):
        scene.verify(text)
    scene.service.fails = True
    with pytest.raises(UnverifiableError):
        scene.verify(text)


def test_it_asks_only_about_what_could_be_accepted(make_scene: MakeScene) -> None:
    """Forgeries and tokens for others do not become calls."""
    scene = make_scene(VerificationPolicy(when_stale=WhenStale.ASK))
    scene.advance(20.0, fresh=False)
    for text, audience in ((FORGER.token()[:-4] + "AAAA", "api"), (FORGER.token(), "payroll")):
        with pytest.raises(VerificationError):
            scene.verify(text, audience)
    assert scene.service.introspections == 0


def test_nothing_is_accepted_before_the_first_snapshot(make_scene: MakeScene) -> None:
    """Who knows no revocations does not know that there are none."""
    scene = make_scene(VerificationPolicy())
    scene.following.synchronised_at = float("-inf")
    with pytest.raises(UnverifiableError):
        scene.verify(FORGER.token())


def test_no_exception_repeats_the_token(scene: Scene) -> None:
    """Messages may be logged; tokens may not."""
    text = FORGER.token(claims=FORGER.claims(exp=1_700_000_000, jti="secret-jti"))
    with pytest.raises(ExpiredTokenError) as caught:
        scene.verify(text)
    assert "secret-jti" not in repr(caught.value)
    assert text[:20] not in repr(caught.value)


def test_as_many_tokens_are_remembered_as_is_said(make_scene: MakeScene) -> None:
    """The oldest is let go, and verified anew when it comes back."""
    scene = make_scene(VerificationPolicy(most_tokens=2))
    texts = [FORGER.token(claims=FORGER.claims(jti=name)) for name in "abcd"]
    answers = [scene.verify(text) for text in texts]
    assert scene.verify(texts[3]) is answers[3]
    assert scene.verify(texts[0]) is not answers[0]
