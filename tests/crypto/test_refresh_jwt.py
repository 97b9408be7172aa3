"""Refresh tokens as JWTs: what they say, and what is not taken for one."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.domain.samples import HANDLE, a_session
from tokensvc.crypto import refresh_tokens
from tokensvc.crypto.key_ring import MacKey
from tokensvc.crypto.refresh_tokens import RefreshTokenFormats
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.domain.refresh_token import MAX_GENERATION, RefreshToken
from tokensvc.domain.stateless import to_claims

ISSUER = "https://issuer.test"
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SESSION = replace(a_session(), generation=7)
HEADER = {"alg": "HS256", "kid": "1", "typ": "rt+jwt"}
CLAIMS = {"iss": ISSUER, "gen": 7, "hdl": base64.urlsafe_b64encode(HANDLE).rstrip(b"=").decode()}


def _formats(**keys: bytes) -> RefreshTokenFormats:
    at_work = [MacKey(int(name[1:]), key) for name, key in keys.items()] or [MacKey(1, KEY)]
    return RefreshTokenFormats(at_work, at_work, ISSUER)


def _jwt(formats: RefreshTokenFormats, **changes: Any) -> str:
    return formats.mint(HANDLE, replace(SESSION, **changes), RefreshTokenFormat.JWT)


def _segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _forged(header: object = HEADER, claims: object = CLAIMS, *, key: bytes = KEY) -> str:
    """A JWT that is signed as ours are, whatever stands in it."""
    signing_input = ".".join(_segment(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{signing_input}.{_segment(hmac.new(key, signing_input.encode(), hashlib.sha256).digest())}"


def test_what_was_minted_opens() -> None:
    """The handle and the generation come back."""
    assert _formats().open(_jwt(_formats())) == RefreshToken(1, HANDLE, 7)


def test_it_says_whose_it_is() -> None:
    """Its holder can read issuer, subject, client, session and lifetime; the type tells it from an access token."""
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in _jwt(_formats()).split(".")[:2])
    grant = SESSION.grant
    assert header == HEADER
    assert {name: claims[name] for name in ("iss", "sub", "client_id", "sid", "gen", "exp")} == {
        "iss": ISSUER,
        "sub": "ada",
        "client_id": "phone",
        "sid": grant.session_id,
        "gen": 7,
        "exp": grant.expires_at // 1000,
    }


def test_the_same_generation_has_the_same_text() -> None:
    """A use without a rotation changes nothing in it, so a retry gets the identical successor."""
    assert _jwt(_formats()) == _jwt(_formats(), used_at=SESSION.used_at + 60_000)
    assert _jwt(_formats()) != _jwt(_formats(), generation=8)


def test_the_sample_forgery_is_good_enough() -> None:
    """What the tests below refuse is refused for what they change, and for nothing else."""
    assert _formats().open(_forged()) == RefreshToken(1, HANDLE, 7)


def test_older_keys_still_open() -> None:
    """A token stays valid when a newer key writes the next ones; a key that is gone opens nothing."""
    token = _jwt(_formats(k1=KEY))
    assert _formats(k1=KEY, k2=OTHER).open(token) == RefreshToken(1, HANDLE, 7)
    assert _jwt(_formats(k1=KEY, k2=OTHER)).partition(".")[0] != token.partition(".")[0]
    assert _formats(k2=OTHER).open(token) is None
    assert _formats(k1=OTHER).open(token) is None


def test_any_change_is_refused() -> None:
    """Every character that is replaced, removed or added makes it another text that nobody has written."""
    token = _jwt(_formats())
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        assert _formats().open(token[:place] + other + token[place + 1 :]) is None
        assert _formats().open(token[:place] + token[place + 1 :]) is None
    for text in (token + "A", token + "=", token + ".", "." + token, token + "\n", " " + token, token + "\u00e9"):
        assert _formats().open(text) is None


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "ES256"},
        {**HEADER, "typ": "at+jwt"},
        {**HEADER, "typ": "JWT"},
        {**HEADER, "kid": "2"},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "jwk": {}},
        {"typ": "rt+jwt", "kid": "1", "alg": "HS256"},
        {"alg": "HS256", "kid": "1"},
    ],
    ids=str,
)
def test_the_header_is_the_one_that_we_write(header: dict[str, Any]) -> None:
    """It is compared as a whole: no other algorithm, type, key or order, though the seal be right."""
    assert not _formats().is_one(_forged(header))
    assert _formats().open(_forged(header)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.test"},
        {"gen": "7"},
        {"gen": True},
        {"gen": 7.0},
        {"gen": -1},
        {"gen": MAX_GENERATION + 1},
        {"hdl": 7},
        {"hdl": ""},
        {"hdl": "AAAA"},
        {"hdl": CLAIMS["hdl"] + "=="},
    ],
    ids=str,
)
def test_claims_of_another_kind_are_refused(changes: dict[str, Any]) -> None:
    """Also under our seal nothing is taken that we do not write."""
    assert _formats().open(_forged(claims=CLAIMS | changes)) is None


@pytest.mark.parametrize("claims", [[], "text", 7, None], ids=str)
def test_claims_that_are_no_object_are_refused(claims: object) -> None:
    """Any JSON but an object."""
    assert _formats().open(_forged(claims=claims)) is None


def test_a_stateless_token_of_an_earlier_version_opens() -> None:
    """One whose JSON was written with escapes says the same."""
    session = replace(a_session(subject="Zoë 漢 🙂"), retry_window=0, is_stateless=True)
    forged = _forged(HEADER | {"kid": "1-stateless"}, CLAIMS | to_claims(session))
    assert forged != _formats().mint(HANDLE, session, RefreshTokenFormat.STATELESS_JWT)
    for token in (forged, _formats().mint(HANDLE, session, RefreshTokenFormat.STATELESS_JWT)):
        opened = _formats().open(token)
        assert opened is not None
        assert opened.session == session


def test_nothing_is_read_before_the_seal_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lenient reader sees only what was sealed with a key of ours."""
    read: list[str] = []
    monkeypatch.setattr(refresh_tokens, "decode_own_object", read.append)
    assert _formats().open(_forged(key=OTHER)) is None
    assert read == []
    _formats().open(_forged())
    assert len(read) == 1


def test_an_opaque_token_is_still_one() -> None:
    """Both formats open, whichever the client has now."""
    formats = _formats()
    opaque = formats.mint(HANDLE, SESSION, RefreshTokenFormat.OPAQUE)
    assert formats.open(opaque) == formats.open(_jwt(formats))
    assert formats.is_one(opaque)
    assert formats.is_one(_jwt(formats))
