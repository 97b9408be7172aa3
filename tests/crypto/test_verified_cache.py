"""Remembering verified tokens: what is genuine is checked once, what is not never takes a place."""

import json
from dataclasses import dataclass, field

from tests.crypto.forging import TOKEN
from tokensvc.crypto.verified_cache import VerifiedCache
from tokensvc.domain.access_token import AccessToken, from_claims, to_claims


@dataclass
class CountingTokens:
    """A signer for which every text with a certain beginning is a token; it notes what it is asked."""

    beginning: str = "genuine"
    asked: list[str] = field(default_factory=list)

    def sign(self, token: AccessToken) -> str:
        """The token's id as a text."""
        return f"genuine-{token.token_id}"

    def verify(self, text: str) -> AccessToken | None:
        """A new token for a genuine text."""
        self.asked.append(text)
        return from_claims(to_claims(TOKEN)) if text.startswith(self.beginning) else None

    def jwks(self) -> str:
        """No keys."""
        return json.dumps({"keys": []})


def test_a_signature_is_checked_once() -> None:
    """The second look at a token answers the very same object without asking again."""
    inner = CountingTokens()
    cache = VerifiedCache(inner, most=10)
    first = cache.verify("genuine-1")
    assert first is not None
    assert cache.verify("genuine-1") is first
    assert inner.asked == ["genuine-1"]


def test_tokens_are_kept_apart() -> None:
    """What was found out about one token is not said of another."""
    cache = VerifiedCache(CountingTokens(), most=10)
    assert cache.verify("genuine-1") is not cache.verify("genuine-2")
    assert cache.verify("genuine-1 ") is not cache.verify("genuine-1")


def test_it_holds_no_more_than_it_may() -> None:
    """When it is full the oldest goes, and would be checked again."""
    inner = CountingTokens()
    cache = VerifiedCache(inner, most=2)
    for text in ("genuine-1", "genuine-2", "genuine-3", "genuine-3", "genuine-2", "genuine-1"):
        cache.verify(text)
    assert inner.asked == ["genuine-1", "genuine-2", "genuine-3", "genuine-1"]


def test_a_forgery_is_not_remembered() -> None:
    """A flood of forgeries is checked one by one and pushes out no genuine token."""
    inner = CountingTokens()
    cache = VerifiedCache(inner, most=2)
    cache.verify("genuine-1")
    for number in range(100):
        assert cache.verify(f"forged-{number}") is None
        assert cache.verify("forged-0") is None
    inner.asked.clear()
    assert cache.verify("genuine-1") is not None
    assert inner.asked == []


def test_a_refused_token_may_become_good() -> None:
    """A refusal is not kept: a token whose key arrives later is then accepted."""
    inner = CountingTokens()
    cache = VerifiedCache(inner, most=2)
    assert cache.verify("later") is None
    inner.beginning = "later"
    assert cache.verify("later") is not None


def test_odd_texts_do_not_raise() -> None:
    """A text that is no UTF-8 has a hash all the same."""
    assert VerifiedCache(CountingTokens(), most=2).verify("\ud800") is None


def test_signing_and_keys_pass_through() -> None:
    """Only verification is remembered; a token that was just signed is verified when it comes."""
    inner = CountingTokens()
    cache = VerifiedCache(inner, most=2)
    assert cache.sign(TOKEN) == "genuine-jti-1"
    assert cache.jwks() == inner.jwks()
    assert cache.verify(cache.sign(TOKEN)) is not None
    assert inner.asked == ["genuine-jti-1"]


def test_a_long_token_is_verified_and_not_remembered() -> None:
    """Tokens with much in them take no place: a bound on their number would not bound the memory."""
    inner = CountingTokens()
    cache = VerifiedCache(inner, most=10)
    text = "genuine" + "x" * 2048
    assert cache.verify(text) is not None
    assert cache.verify(text) is not None
    assert inner.asked == [text, text]
