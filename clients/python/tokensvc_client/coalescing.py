"""Owns who travels together when many introspect at once. It knows nothing of gRPC, threads or asyncio.

Who comes while nothing is under way goes at once, alone. Those who come meanwhile go together next. One of each party
leads: it makes the call for all, so that nobody else is needed, neither a thread nor a task. It is the one who can wait
longest: then no member's time ends later than the call's. If it breaks off, the others go again, under another one.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client.errors import TokenServiceError

MOST_TOKENS: Final = 1_000
MOST_CHARACTERS: Final = 1024 * 1024  # of all tokens of a party: the answer must stay below gRPC's 4 MiB
_LONGEST_TOKEN: Final = 32_768

Outcome = pb.IntrospectResponse | TokenServiceError


@dataclass(eq=False, slots=True)
class Asker:
    """One who asks about `token` until `deadline`. `wake` is called once: there is an outcome, or a party to lead."""

    token: str
    deadline: float
    wake: Callable[[], None]
    leads: tuple["Asker", ...] = ()
    outcome: Outcome | None = None
    has_left: bool = False


def may_travel(token: str) -> bool:
    """Whether nothing about `token` could have a whole party refused: others must not pay for it."""
    return 0 < len(token) <= _LONGEST_TOKEN and token.isascii()


class Coalescing:
    """Forms parties of those who ask for the same `key`, one under way at a time for each. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, dict[Asker, None]] = {}  # by keys with a party under way, in the order of arrival

    def arrive(self, key: Hashable, asker: Asker) -> None:
        """Somebody asks: it leads itself at once, or will be woken."""
        with self._lock:
            waiting = self._waiting.get(key)
            if waiting is None:
                self._waiting[key] = {}
                asker.leads = (asker,)
            else:
                waiting[asker] = None

    def settle(self, key: Hashable, leader: Asker, outcomes: Sequence[Outcome]) -> Sequence[Asker]:
        """The party of `leader` is back, with an outcome for each; answers who is to be woken.

        Only the leader of the next party is woken already: its call is to be under way while the others take theirs.
        """
        with self._lock:
            party = leader.leads
            for asker, outcome in zip(party, outcomes, strict=True):
                asker.outcome = outcome
            leader.leads = ()
            self._set_out(key)
            return party

    def leave(self, key: Hashable, asker: Asker) -> None:
        """Somebody gives up, wherever it stands. Those it has led wait again, before all others."""
        with self._lock:
            asker.has_left = True
            waiting = self._waiting.get(key, {})
            waiting.pop(asker, None)
            if asker.leads:
                left_alone = {member: None for member in asker.leads if not member.has_left}
                asker.leads = ()
                self._waiting[key] = left_alone | waiting
                self._set_out(key)

    def _set_out(self, key: Hashable) -> None:
        """Form the next party, if anybody waits, and wake its leader."""
        waiting = self._waiting[key]
        if not waiting:
            del self._waiting[key]
            return
        party: list[Asker] = []
        characters = 0
        for asker in waiting:
            characters += len(asker.token)
            if len(party) == MOST_TOKENS or characters > MOST_CHARACTERS:
                break
            party.append(asker)
        for asker in party:
            del waiting[asker]
        leader = max(party, key=lambda asker: asker.deadline)
        leader.leads = tuple(party)
        leader.wake()
