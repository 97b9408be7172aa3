"""`tokensvc token decode`: what a token says, without a server."""

import base64
import json

import pytest

from tests.cli.conftest import Run, json_of
from tokensvc.domain.refresh_token import RefreshToken, encode

HANDLE = bytes(range(100, 116))


def segment(value: object) -> str:
    """One part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def jwt(claims: object, header: object = None) -> str:
    """A JWT that nobody has signed."""
    return f"{segment(header or {'alg': 'ES256', 'typ': 'at+jwt'})}.{segment(claims)}.c2ln"


def test_a_refresh_token_is_explained(run: Run) -> None:
    """Format, key, session and generation are shown, and that nothing was checked."""
    token = RefreshToken(key_id=7, handle=HANDLE, generation=258)
    assert json_of(run("token", "decode", encode(token, b"any key"), "--json")) == {
        "kind": "refresh token",
        "signature": "not checked",
        "format": "tsr1",
        "key_id": 7,
        "session_id": token.session_id,
        "generation": 258,
    }


def test_the_handle_is_never_shown(run: Run) -> None:
    """What makes the token a secret stands in the output in no spelling."""
    shown = run("token", "decode", encode(RefreshToken(7, HANDLE, 1), b"any key")).output
    spellings = (HANDLE.hex(), HANDLE.decode(), base64.b64encode(HANDLE).decode()[:20])
    assert not [spelling for spelling in spellings if spelling in shown]


def test_a_refresh_jwt_is_explained_without_its_handle(run: Run) -> None:
    """It is told from an access token by its type; what makes it a secret is left out."""
    claims = {"sub": "ada", "gen": 3, "hdl": "c2VjcmV0LWhhbmRsZQ"}
    result = run("token", "decode", jwt(claims, {"alg": "HS256", "kid": "1", "typ": "rt+jwt"}), "--json")
    assert json_of(result)["kind"] == "refresh token"
    assert json_of(result)["claims"] == {"sub": "ada", "gen": 3}
    assert "c2VjcmV0" not in result.output


def test_a_jwt_is_explained(run: Run) -> None:
    """Header and claims are shown as they are, and the moments among them in words."""
    shown = json_of(run("token", "decode", jwt({"sub": "ada", "exp": 1_800_000_000}), "--json"))
    assert shown["header"] == {"alg": "ES256", "typ": "at+jwt"}
    assert shown["claims"] == {"sub": "ada", "exp": 1_800_000_000}
    assert shown["expires_at"] == "2027-01-15T08:00:00.000Z"
    assert shown["signature"] == "not checked"


@pytest.mark.parametrize("moment", [1e308, -1e308, 10**400, "soon", True, False, None, [1]])
def test_a_strange_moment_is_shown_as_it_is(run: Run, moment: object) -> None:
    """A claim that is no moment does no harm and is not translated."""
    shown = json_of(run("token", "decode", jwt({"exp": moment}), "--json"))
    assert shown["claims"] == {"exp": moment}
    assert "expires_at" not in shown


def test_a_claim_cannot_steer_the_terminal(run: Run) -> None:
    """Escape sequences and line breaks in names and values are shown as escapes."""
    shown = run("token", "decode", jwt({"sub": "\x1b[2Jada\nsignature: valid", "a\rb": ["\x9b"]})).stdout
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert "\x9b" not in shown
    assert [line.split() for line in shown.split("\n") if line.startswith("signature")] == [
        ["signature:", "not", "checked"]
    ]


@pytest.mark.parametrize(
    "token",
    [
        "secret",
        "tsr1_secret",
        "a.b",
        "secret.secret.secret",
        f"{segment([1])}.{segment({})}.x",
        f"{segment({})}.{segment(float('nan'))}.x",
        "[" * 30_000,
        f"{base64.b64encode(b'[' * 30_000).decode()}.e30.x",
        "e30.\u00e9.x",
    ],
)
def test_what_is_no_token_is_refused_and_not_repeated(run: Run, token: str) -> None:
    """Anything else is a usage error that does not show what was given."""
    result = run("token", "decode", token, exit_code=2)
    assert token[:6] not in result.output
