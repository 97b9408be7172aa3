"""An answer that was begun while its outcome was written is given if it is still right, and made anew if not."""

from typing import cast

import pytest

from tokensvc.domain.effects import Refused
from tokensvc.domain.errors import Reason
from tokensvc.ports import RefreshTokens
from tokensvc.services.ahead import Ahead


class Keys:
    """Counts changes, as refresh tokens do."""

    key_changes = 1


class Making:
    """Answers outcomes by their names, and remembers for which it did."""

    def __init__(self) -> None:
        self.made: list[list[str]] = []

    def __call__(self, outcome: list[str]) -> str:
        """A new answer each time."""
        self.made.append(outcome)
        return f"answer {len(self.made)} to {outcome[0]}"


@pytest.fixture
def keys() -> Keys:
    """Keys that have not changed."""
    return Keys()


@pytest.fixture
def making() -> Making:
    """What makes the answers."""
    return Making()


@pytest.fixture
def answer(keys: Keys, making: Making) -> Ahead[list[str], str]:
    """The answer to one write."""
    return Ahead(cast("RefreshTokens", keys), making)


def test_what_was_begun_is_given(answer: Ahead[list[str], str], making: Making) -> None:
    """The work is done once."""
    outcome = ["rotated"]
    answer.begin(outcome)
    assert answer.to(outcome) == "answer 1 to rotated"
    assert making.made == [outcome]


def test_without_a_beginning_it_is_made(answer: Ahead[list[str], str]) -> None:
    """A store need not say what it is writing."""
    assert answer.to(["rotated"]) == "answer 1 to rotated"


def test_another_outcome_has_another_answer(answer: Ahead[list[str], str]) -> None:
    """An equal outcome of a second decision is another: the first one has not been written."""
    answer.begin(["rotated"])
    assert answer.to(["rotated"]) == "answer 2 to rotated"


def test_a_change_of_keys_makes_it_anew(answer: Ahead[list[str], str], keys: Keys) -> None:
    """What was signed by a key that has been revoked since must not be given."""
    outcome = ["rotated"]
    answer.begin(outcome)
    keys.key_changes += 1
    assert answer.to(outcome) == "answer 2 to rotated"


def test_a_refusal_is_not_answered(answer: Ahead[list[str], str], making: Making) -> None:
    """There are no tokens to make."""
    answer.begin(Refused(Reason.REFRESH_TOKEN_INVALID, "the refresh token is not valid"))
    assert making.made == []
