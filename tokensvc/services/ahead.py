"""Owns answers that are made while the database writes what they tell of, and that nobody is given before it has."""

from collections.abc import Callable
from typing import Generic, TypeVar

from tokensvc.domain.effects import Refused
from tokensvc.ports import RefreshTokens

T = TypeVar("T")
A = TypeVar("A")


class Ahead(Generic[T, A]):
    """The answer to one write, begun when its outcome is known and given when that is durable."""

    def __init__(self, refresh_tokens: RefreshTokens, make: Callable[[T], A]) -> None:
        """`make` answers an outcome. `refresh_tokens` tell when keys change, those that sign access tokens too."""
        self._refresh_tokens = refresh_tokens
        self._make = make
        self._made: tuple[T, int, A] | None = None

    def begin(self, outcome: T | Refused) -> None:
        """Make the answer to `outcome`, which is being written."""
        if not isinstance(outcome, Refused):
            self._made = outcome, self._refresh_tokens.key_changes, self._make(outcome)

    def to(self, outcome: T) -> A:
        """The answer to `outcome`, which has been written; made anew if it is another, or the keys have changed."""
        if self._made is not None:
            begun, key_changes, answer = self._made
            if begun is outcome and key_changes == self._refresh_tokens.key_changes:
                return answer
        return self._make(outcome)
