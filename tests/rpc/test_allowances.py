"""How much of a rate each may use, in a time that the test tells."""

from tokensvc.rpc.allowances import Allowances


def taken(allowances: Allowances[str], now: float, tries: int, who: str = "bff") -> int:
    """How many of so many tries in one moment succeed, of five a second and ten at once."""
    return sum(not allowances.take(who, now, per_second=5, at_once=10) for _ in range(tries))


def test_some_pass_at_once() -> None:
    """So many as there are, and not one more."""
    assert taken(Allowances(), 100, 15) == 10


def test_in_the_long_run_the_rate_counts() -> None:
    """Who tries all the time gets what there was at once, and then the rate."""
    allowances = Allowances[str]()
    assert sum(taken(allowances, moment / 10, 10) for moment in range(1001)) == 10 + 100 * 5


def test_a_pause_brings_back_no_more_than_there_was() -> None:
    """However long nobody calls."""
    allowances = Allowances[str]()
    taken(allowances, 0, 10)
    assert taken(allowances, 1000, 100) == 10


def test_the_answer_is_the_time_until_one_passes() -> None:
    """A try before that fails, one at that time succeeds; those that fail cost nothing."""
    allowances = Allowances[str]()
    taken(allowances, 0, 10)
    wait = allowances.take("bff", 0, per_second=5, at_once=10)
    assert 0.19 < wait <= 0.2
    assert taken(allowances, wait - 0.01, 100) == 0
    assert taken(allowances, wait, 2) == 1


def test_others_have_their_own() -> None:
    """What one uses up is nobody else's."""
    allowances = Allowances[str]()
    taken(allowances, 0, 100)
    assert taken(allowances, 0, 100, "web") == 10


def test_what_costs_much_passes_and_is_paid_for_afterwards() -> None:
    """It needs one that is left, whatever it costs: else what costs more than there can be would never pass."""
    allowances = Allowances[str]()
    assert allowances.take("bff", 0, per_second=5, at_once=10, cost=60) == 0
    assert taken(allowances, 10, 1) == 0
    assert taken(allowances, 10.2, 2) == 1


def test_those_who_have_everything_again_are_forgotten() -> None:
    """However many come, no more are kept than have come lately."""
    allowances = Allowances[str]()
    for number in range(100_000):
        taken(allowances, number, 1, str(number))
    assert len(allowances._used_until) <= 1000
