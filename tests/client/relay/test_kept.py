"""How many answers are kept, and for how long."""

from datetime import timedelta

from tokensvc_client import Tokens
from tokensvc_client.relay.kept import KeptAnswers
from tokensvc_client.relay.request import RefreshRequest

HOUR = timedelta(hours=1)


def answer(refresh_token: str) -> Tokens:
    """Tokens with this one among them."""
    return Tokens("access", "Bearer", HOUR, refresh_token, HOUR, (), "session", 1)


def test_the_oldest_answers_go_first() -> None:
    """There are never more than so many."""
    kept = KeptAnswers(span=10, most=2)
    for number in range(3):
        kept.keep(b"%d" % number, RefreshRequest(f"r{number}"), answer(f"s{number}"), asked_at=0)
    assert [kept.find(b"%d" % number, 0) is not None for number in range(3)] == [False, True, True]


def test_an_answer_that_came_late_is_not_kept_longer() -> None:
    """Its span begins when it was asked for, also behind one that was asked for later."""
    kept = KeptAnswers(span=10, most=2)
    kept.keep(b"late", RefreshRequest("r2"), answer("s2"), asked_at=5)
    kept.keep(b"early", RefreshRequest("r1"), answer("s1"), asked_at=0)
    assert kept.find(b"early", 10) is None
    assert kept.find(b"late", 10) is not None


def test_a_refresh_token_that_is_not_replaced_stays_its_own_answer() -> None:
    """Where tokens do not rotate there is no successor whose use would end it."""
    kept = KeptAnswers(span=10, most=2)
    kept.keep(b"key", RefreshRequest("same"), answer("same"), asked_at=0)
    kept.used("same")
    assert kept.find(b"key", 1) is not None


def test_the_use_of_the_successor_ends_it() -> None:
    """Then the token before is for the service to judge."""
    kept = KeptAnswers(span=10, most=2)
    kept.keep(b"key", RefreshRequest("before"), answer("after"), asked_at=0)
    kept.used("after")
    assert kept.find(b"key", 1) is None


def test_zero_keeps_nothing() -> None:
    """For clients that have no retry window."""
    kept = KeptAnswers(span=0, most=2)
    kept.keep(b"key", RefreshRequest("before"), answer("after"), asked_at=0)
    assert kept.find(b"key", 0) is None
