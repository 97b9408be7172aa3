"""The checker on random histories of a pretended service: right ones pass, and each planted defect is found."""

from collections import Counter

import pytest

from tests.consistency.checking import Rule, check
from tests.consistency.history import OK, REUSED, REVOKED, UNKNOWN, Introspect
from tests.consistency.simulation import Defect, simulate


@pytest.mark.parametrize("seed", range(40))
def test_a_right_service_is_never_accused(seed: int) -> None:
    """Whatever happens at the same time, late, or without an answer."""
    assert check(simulate(seed, 500)) == []


def test_the_histories_are_rich() -> None:
    """Every outcome occurs, and looks of both kinds: otherwise the test above would show nothing."""
    history = simulate(1, 2000)
    outcomes = Counter(operation.outcome for operation in history)
    looks = Counter(look.active for look in history if isinstance(look, Introspect) and look.is_ok)
    assert min(outcomes[OK], outcomes[REUSED], outcomes[REVOKED], outcomes[UNKNOWN], looks[True], looks[False]) > 30


@pytest.mark.parametrize(
    ("defect", "rule"),
    [
        (Defect.REVOKES_NOTHING, Rule.STAYS_ENDED),
        (Defect.LOOKS_BEHIND, Rule.STAYS_ENDED),
        (Defect.REVISIONS_BEHIND, Rule.FRESH),
        (Defect.FORGETS_ROTATIONS, Rule.KEPT),
        (Defect.FORGIVES_REUSE, Rule.REUSE_ENDS),
        (Defect.REPEATS_FOR_EVER, Rule.REUSE_ENDS),
        (Defect.NEVER_REPEATS, Rule.KEPT),
        (Defect.BARS_THE_FUTURE, Rule.KEPT),
        (Defect.FORKS, Rule.ONE_SUCCESSOR),
        (Defect.FORGETS_KEYS, Rule.ONE_SUCCESSOR),
    ],
)
def test_a_defect_is_found(defect: Defect, rule: Rule) -> None:
    """In a history of a few thousand operations at the latest."""
    assert rule in {violation.rule for violation in check(simulate(1, 3000, defect))}
