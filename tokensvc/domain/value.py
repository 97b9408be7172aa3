"""Owns how values are made: classes of fields that are set once, when an object begins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(*, frozen: Literal[True], slots: bool, eq: bool = True) -> Callable[[type], type]:
        """`dataclasses.dataclass`, and that is what type checkers see, who refuse any change of a field.

        Running code does not refuse it: to do so takes longer, for each field of each object, than everything else
        that makes an object, and a refresh makes twenty of them.
        """
        del frozen
        return dataclass(slots=slots, eq=eq, unsafe_hash=eq)


__all__ = ["value"]
