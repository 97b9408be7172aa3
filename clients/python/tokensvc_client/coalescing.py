"""Owns who travels together when many introspect at once. It knows nothing of gRPC, threads or asyncio.

Two parties may be under way: while the service works on one, those of the other take their answers and ask anew. Who
finds a place free gathers for a moment, then all who have come set out; those who come later go when a party is back.
One of each party leads: it makes the call for all, so that nobody else is needed, neither a thread nor a task. It is
the one who can wait longest: then no member's time ends later than the call's. If it breaks off, the others go again,
under another one.
"""

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.errors import TokenServiceError

MOST_TOKENS: Final = 1_000
MOST_CHARACTERS: Final = 1024 * 1024  # of all tokens of a party: the answer must stay below gRPC's 4 MiB
_LONGEST_TOKEN: Final = 32_768
_PARTIES: Final = 2  # under way at a time
_WORTH_TWO: Final = 16  # askers who go as two parties: each costs a call

Outcome = pb.IntrospectResponse | TokenServiceError


@dataclass(eq=False, slots=True)
class Asker:
    """One who asks about `token` until `deadline`. `wake` is called when there is an outcome, or a party to lead.

    Who `gathers` waits for nobody to wake it, but a moment, and calls `set_out`.
    """

    token: str = field(repr=False)
    deadline: float
    wake: Callable[[], None]
    gathers: bool = False
    leads: tuple["Asker", ...] = ()
    outcome: Outcome | None = None
    has_left: bool = False


def may_travel(token: str) -> bool:
    """Whether nothing about `token` could have a whole party refused: others must not pay for it."""
    return 0 < len(token) <= _LONGEST_TOKEN and token.isascii()


@dataclass(eq=False, slots=True)
class _Line:
    """Those who ask for the same: who waits, in the order of arrival, and how many parties are under way."""

    waiting: dict[Asker, None] = field(default_factory=dict)
    under_way: int = 0
    is_gathering: bool = False


class Coalescing:
    """Forms parties of those who ask for the same `key`. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[Hashable, _Line] = {}  # with somebody in them

    def arrive(self, key: Hashable, asker: Asker) -> None:
        """Somebody asks: it gathers, or will be woken."""
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = _Line()
            line.waiting[asker] = None
            if not line.is_gathering and line.under_way < _PARTIES:
                line.is_gathering = asker.gathers = True

    def set_out(self, key: Hashable, asker: Asker) -> None:
        """The moment of an `asker` who gathers is over."""
        with self._lock:
            line = self._lines[key]
            line.is_gathering = asker.gathers = False
            self._set_out(key, line)

    def settle(self, key: Hashable, leader: Asker, outcomes: Sequence[Outcome]) -> Sequence[Asker]:
        """The party of `leader` is back, with an outcome for each; answers who is to be woken.

        Only the leader of the next party is woken already: its call is to be under way while the others take theirs.
        """
        with self._lock:
            party = leader.leads
            for asker, outcome in zip(party, outcomes, strict=True):
                asker.outcome = outcome
            self._is_back(key, leader)
            return party

    def leave(self, key: Hashable, asker: Asker) -> None:
        """Somebody gives up, wherever it stands. Those it has led wait again, before all others."""
        with self._lock:
            asker.has_left = True
            line = self._lines.get(key)
            if line is None:
                return
            line.waiting.pop(asker, None)
            if asker.leads:
                left_alone = {member: None for member in asker.leads if not member.has_left}
                line.waiting = left_alone | line.waiting
                self._is_back(key, asker)
            elif asker.gathers:
                line.is_gathering = asker.gathers = False
                self._set_out(key, line)

    def _is_back(self, key: Hashable, leader: Asker) -> None:
        line = self._lines[key]
        leader.leads = ()
        line.under_way -= 1
        if not line.is_gathering:
            self._set_out(key, line)

    def _set_out(self, key: Hashable, line: _Line) -> None:
        """Form parties of those who wait, as far as there are places, and wake their leaders."""
        while line.waiting and line.under_way < _PARTIES:
            is_alone = not line.under_way and len(line.waiting) >= _WORTH_TWO
            party = _party(line.waiting, -(-len(line.waiting) // 2) if is_alone else MOST_TOKENS)
            for asker in party:
                del line.waiting[asker]
            line.under_way += 1
            leader = max(party, key=lambda asker: asker.deadline)
            leader.leads = party
            leader.wake()
        if not line.under_way and not line.waiting:
            del self._lines[key]


def _party(waiting: Iterable[Asker], most: int) -> tuple[Asker, ...]:
    """The first ones of those who wait: at most so many, and as many as go together."""
    party: list[Asker] = []
    characters = 0
    for asker in waiting:
        characters += len(asker.token)
        if len(party) == min(most, MOST_TOKENS) or characters > MOST_CHARACTERS:
            break
        party.append(asker)
    return tuple(party)
