"""Owns the refusals that are not written yet: counted by kind, and so that no caller takes the room of others."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from tokensvc.domain.errors import Reason
from tokensvc.domain.value import value

T = TypeVar("T")

MOST_KINDS: Final = 2000
MOST_OF_A_CALLER: Final = 100  # kinds, and as many again without a subject; what it has beyond is counted by reason


@value(frozen=True, slots=True)
class Kind:
    """What refusals have in common that are counted together."""

    reason: Reason
    caller: str
    client_id: str = ""
    subject: str = ""
    session_id: str = ""
    differs: str = ""


@dataclass(slots=True)
class Tally:
    """How often it happened, since when, and the details of the first time; `fresh` were not looked at for bursts."""

    at: int
    ip: str
    details: dict[str, str | int]
    count: int = 1
    fresh: int = 1


class Tallies:
    """How often what happened. Of what finds no room, `dropped` has the counts by reason."""

    def __init__(self) -> None:
        self._of_callers: dict[str, dict[Kind, Tally]] = {}
        self._kinds = 0
        self.dropped = Counter[str]()

    def __bool__(self) -> bool:
        return bool(self._of_callers or self.dropped)

    def items(self) -> list[tuple[Kind, Tally]]:
        """All of them."""
        return [item for own in self._of_callers.values() for item in own.items()]

    def add(self, kind: Kind, tally: Tally) -> None:
        """Count what has happened."""
        own = self._of_callers.get(kind.caller, {})
        kind = _folded(kind, own)
        if (known := own.get(kind)) is not None:
            known.count += tally.count
            known.fresh += tally.fresh
        elif self._kinds < MOST_KINDS:
            self._of_callers.setdefault(kind.caller, own)[kind] = tally
            self._kinds += 1
        else:
            self.dropped[kind.reason.value] += tally.count

    def pop(self, kind: Kind) -> Tally:
        """Take one away, which is there."""
        own = self._of_callers[kind.caller]
        tally = own.pop(kind)
        self._kinds -= 1
        if not own:
            del self._of_callers[kind.caller]
        return tally

    def in_turn(self) -> list[tuple[Kind, Tally]]:
        """All of them: first what each caller has most of, then what each has second most, and so on."""
        by_count = sorted(self.items(), key=lambda item: item[1].count, reverse=True)
        return in_turn(by_count, lambda item: item[0].caller)


def in_turn(items: Sequence[T], whose: Callable[[T], str]) -> list[T]:
    """First one of everybody's, then a second one of everybody's, and so on; otherwise in their order."""
    before = Counter[str]()
    places = []
    for item in items:
        places.append(before[whose(item)])
        before[whose(item)] += 1
    return [item for _, item in sorted(zip(places, items, strict=True), key=lambda pair: pair[0])]


def _folded(kind: Kind, own: Collection[Kind]) -> Kind:
    """What `kind` is counted as, where its caller has `own` kinds already."""
    if kind in own or len(own) < MOST_OF_A_CALLER:
        return kind
    of_client = Kind(kind.reason, kind.caller, kind.client_id)
    if of_client in own or len(own) < 2 * MOST_OF_A_CALLER:
        return of_client
    return Kind(kind.reason, kind.caller)
