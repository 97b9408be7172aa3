"""The life of a token in numbers, by a clock and a chance of the test's own."""

from datetime import timedelta
from typing import Any

import pytest
from tokensvc_client import OverloadedError, Tokens
from tokensvc_client.blocking import drive
from tokensvc_client.service_token.renewal import Renewal

LIFE = timedelta(seconds=100)


class Issuer:
    """Issues tokens that are named by their numbers, unless it is overloaded."""

    def __init__(self, chance: float = 0.0) -> None:
        self.now = 0.0
        self.issued = 0
        self.is_overloaded = False
        self.renewal = Renewal(self.issue, self.begin, lambda: self.now, lambda: chance)
        self._begun: list[Any] = []

    async def issue(self) -> Tokens:
        """The next token."""
        self.issued += 1
        if self.is_overloaded:
            raise OverloadedError("too much")
        return Tokens(str(self.issued), "Bearer", LIFE, "", timedelta(0), (), "", 1)

    def begin(self, work: Any) -> Any:
        """Renewals are begun while the lock is held, so they are done afterwards."""
        return Deferred(work, self._begun)

    def at(self, now: float) -> str:
        """The token that is answered at a moment, after which all that has begun is done."""
        self.now = now
        try:
            return drive(self.renewal.token())
        finally:
            for flight in self._begun:
                flight.land()
            self._begun.clear()


class Deferred:
    """A flight that lands when it is waited for, or told to."""

    def __init__(self, work: Any, begun: list[Any]) -> None:
        self._work = work
        self._outcome: Any = None
        begun.append(self)

    def land(self) -> None:
        """Do it now, once."""
        if self._outcome is None:
            try:
                self._outcome = drive(self._work())
            except OverloadedError as error:
                self._outcome = error

    def is_over(self) -> bool:
        """Whether it has landed."""
        return self._outcome is not None

    async def outcome(self, timeout: float | None) -> Any:  # noqa: ASYNC109 - the protocol's
        """What came of it."""
        self.land()
        if isinstance(self._outcome, OverloadedError):
            raise self._outcome
        return self._outcome


@pytest.mark.parametrize(("chance", "last"), [(0.0, 74.9), (0.5, 79.9), (1.0, 84.9)])
def test_chance_spreads_renewals_around_four_fifths(chance: float, last: float) -> None:
    """Services that have begun together do not come together ever after."""
    issuer = Issuer(chance)
    assert [issuer.at(moment) for moment in (0, last, last)] == ["1", "1", "1"]
    assert [issuer.at(moment) for moment in (last + 0.2, last + 0.2)] == ["1", "2"]


def test_the_last_twentieth_of_a_life_is_not_used() -> None:
    """Then the next token is waited for."""
    issuer = Issuer()
    assert [issuer.at(0), issuer.at(95)] == ["1", "2"]


def test_between_attempts_there_is_a_pause() -> None:
    """A service that is in trouble is not asked with each call of ours; the old token is used meanwhile."""
    issuer = Issuer()
    issuer.at(0)
    issuer.is_overloaded = True
    assert {issuer.at(80 + moment / 100) for moment in range(50)} == {"1"}
    assert issuer.issued == 2
    issuer.is_overloaded = False
    assert [issuer.at(80.5), issuer.at(80.5)] == ["1", "3"]


def times_of_attempts(issuer: Issuer, until: int) -> list[float]:
    """When the service was asked, by somebody who wants a token each tenth of a second and gets none."""
    issuer.is_overloaded = True
    asked: list[float] = []
    for tenth in range(until * 10):
        before = issuer.issued
        with pytest.raises(OverloadedError):
            issuer.at(tenth / 10)
        asked += [tenth / 10] * (issuer.issued - before)
    return asked


def test_without_a_token_the_service_is_asked_less_and_less() -> None:
    """Who comes in between gets the failure that is remembered; it is ten seconds old at most."""
    asked = times_of_attempts(Issuer(chance=1.0), until=60)
    assert asked == pytest.approx([0, 1, 3, 7, 15, 25, 35, 45, 55])


def test_chance_spreads_those_who_fail_together() -> None:
    """A pause is by chance down to half as long."""
    assert times_of_attempts(Issuer(chance=0.0), until=8) == pytest.approx([0, 0.5, 1.5, 3.5, 7.5])


def test_a_failure_is_forgotten_with_the_next_token() -> None:
    """Then there is a token for all, and the next failure is paused for as shortly as the first."""
    issuer = Issuer(chance=1.0)
    times_of_attempts(issuer, until=20)
    issuer.is_overloaded = False
    assert issuer.at(25) == str(issuer.issued)
    issuer.is_overloaded = True
    for moment, attempts in ((121, 1), (121.9, 0), (122, 1)):
        before = issuer.issued
        with pytest.raises(OverloadedError):
            issuer.at(moment)
        assert issuer.issued - before == attempts


def test_a_token_that_is_dropped_meanwhile_is_not_asked_for_at_once() -> None:
    """A failed renewal counts for those too whose token was refused."""
    issuer = Issuer(chance=1.0)
    first = issuer.at(0)
    issuer.is_overloaded = True
    assert issuer.at(90) == first
    assert issuer.renewal.drop(first)
    with pytest.raises(OverloadedError):
        issuer.at(90.5)
    assert issuer.issued == 2


def test_at_the_end_the_failure_is_told() -> None:
    """Who has no token any more learns why."""
    issuer = Issuer()
    issuer.at(0)
    issuer.is_overloaded = True
    with pytest.raises(OverloadedError):
        issuer.at(95)
