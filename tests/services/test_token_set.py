"""Making access tokens from grants: what they say, and how long they live."""

from dataclasses import dataclass, field

import pytest

from tests.domain.samples import GRANT, NOW
from tests.fakes import FakeRandomness
from tests.harness import ISSUER
from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.policy import MINUTE
from tokensvc.services.token_set import AccessTokenMinter, TokenSet


@dataclass
class SigningNotes:
    """A signer that keeps the tokens instead of signing them."""

    signed: list[AccessToken] = field(default_factory=list)

    def sign(self, token: AccessToken) -> str:
        """Keep it."""
        self.signed.append(token)
        return f"signed-{token.token_id}"

    def verify(self, text: str) -> AccessToken | None:
        """Nobody may ask: to make tokens is to sign them, and no more."""
        raise AssertionError

    def jwks(self) -> str:
        """Nobody may ask: to make tokens is to sign them, and no more."""
        raise AssertionError


@pytest.fixture
def notes() -> SigningNotes:
    """The signer."""
    return SigningNotes()


@pytest.fixture
def minter(notes: SigningNotes) -> AccessTokenMinter:
    """A minter that signs with `notes`."""
    return AccessTokenMinter(notes, FakeRandomness(), ISSUER)


def test_a_token_says_what_its_grant_says(minter: AccessTokenMinter, notes: SigningNotes) -> None:
    """Subject, client, session, device and beginning are the grant's; scopes and audiences those of this answer."""
    text, _ = minter.mint(GRANT, ("read",), ("api",), NOW)
    (token,) = notes.signed
    assert text == f"signed-{token.token_id}"
    assert (token.issuer, token.subject, token.client_id, token.session_id, token.device_id) == (
        ISSUER,
        "ada",
        "phone",
        GRANT.session_id,
        "device-1",
    )
    assert (token.scopes, token.audiences, token.issued_at) == (("read",), ("api",), NOW)
    assert (token.started_at, token.started_revision) == (GRANT.started_at, GRANT.started_revision)


@pytest.mark.parametrize(
    ("left", "lifetime"), [(90 * MINUTE, 5 * MINUTE), (5 * MINUTE, 5 * MINUTE), (4 * MINUTE, 4 * MINUTE), (1500, 1500)]
)
def test_a_token_does_not_outlive_its_session(
    minter: AccessTokenMinter, notes: SigningNotes, left: int, lifetime: int
) -> None:
    """The last access token of a session ends with it, and the answer says so in whole seconds."""
    _, expires_in = minter.mint(GRANT, (), ("api",), GRANT.expires_at - left)
    (token,) = notes.signed
    assert token.expires_at - token.issued_at == lifetime
    assert expires_in == lifetime // 1000


@pytest.mark.parametrize("millisecond", [0, 1, 500, 999])
def test_a_token_lives_as_long_as_is_said(minter: AccessTokenMinter, notes: SigningNotes, millisecond: int) -> None:
    """The claim exp has whole seconds: whenever a token is made, it is good for all of the answered lifetime."""
    now = NOW + millisecond
    _, expires_in = minter.mint(GRANT, (), ("api",), now)
    (token,) = notes.signed
    assert expires_in == GRANT.access_ttl // 1000
    assert token.expires_at % 1000 == 0
    assert 0 <= token.expires_at - (now + expires_in * 1000) < 1000


def test_no_two_tokens_have_the_same_id(minter: AccessTokenMinter, notes: SigningNotes) -> None:
    """Every access token can be ended by itself."""
    for _ in range(10):
        minter.mint(GRANT, (), ("api",), NOW)
    assert len({token.token_id for token in notes.signed}) == 10


def test_an_answer_does_not_show_its_tokens() -> None:
    """No representation of an answer that could reach a log has a token in it."""
    assert "canary" not in repr(TokenSet("canary", 300, ("read",), 7, refresh_token="canary"))
