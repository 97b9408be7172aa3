"""Owns a pretended service and its clients in virtual time: they make histories of which it is known what is right.

Every operation takes effect at one moment between its beginning and its answer; one without an answer at any moment
after its beginning, or never. A defect can be planted in the service.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import count
from random import Random
from typing import Any

from tests.consistency.history import (
    MOVED_ON,
    OK,
    REUSED,
    REVOKED,
    UNKNOWN,
    Introspect,
    Issue,
    Operation,
    Refresh,
    Revoke,
    Target,
    device_value,
)


class Defect(Enum):
    """What can be wrong with the service."""

    NONE = auto()
    REVOKES_NOTHING = auto()
    LOOKS_BEHIND = auto()
    REVISIONS_BEHIND = auto()
    FORGETS_ROTATIONS = auto()
    FORGIVES_REUSE = auto()
    REPEATS_FOR_EVER = auto()
    NEVER_REPEATS = auto()
    BARS_THE_FUTURE = auto()
    FORKS = auto()
    FORGETS_KEYS = auto()


@dataclass
class Session:
    """The present state of a session."""

    name: str
    began: Issue
    seen_revision: int
    generation: int = 0
    ending: str = ""
    """The reason that a refresh is told; empty while it lives."""


Answer = dict[str, Any]


@dataclass
class Service:
    """Decides as the real one should."""

    chance: Random
    defect: Defect
    revision: int = 1
    sessions: dict[str, Session] = field(default_factory=dict)
    barriers: dict[tuple[Target, str], int] = field(default_factory=dict)
    access_tokens: dict[str, Session] = field(default_factory=dict)
    ended_tokens: dict[str, int] = field(default_factory=dict)
    """The revision at which each ended access token or session was ended."""

    def serve(self, request: Operation, seen_revision: int) -> Answer:
        """Let a request take effect; `seen_revision` is that of its arrival."""
        answers: dict[type[Operation], Callable[[Any], Answer]] = {
            Issue: lambda issue: self._issue(issue, seen_revision),
            Refresh: self._refresh,
            Revoke: self._revoke,
            Introspect: self._look,
        }
        behind = 3 if self._fails(Defect.REVISIONS_BEHIND) else 0
        return {"outcome": OK, "revision": max(1, seen_revision - behind), **answers[type(request)](request)}

    def _fails(self, defect: Defect) -> bool:
        return self.defect is defect and self.chance.random() < 0.1

    def _issue(self, issue: Issue, seen_revision: int) -> Answer:
        name = issue.key or issue.name
        if self._fails(Defect.FORGETS_KEYS):
            name = issue.name
        known = self.sessions.setdefault(name, Session(name, issue, seen_revision))
        if known.began is not issue and (known.generation or known.ending or self._is_barred(known)):
            return {"outcome": MOVED_ON}
        return self._tokens(known, issue)

    def _tokens(self, session: Session, request: Operation) -> Answer:
        access_token = f"{session.name}/{request.name}"
        self.access_tokens[access_token] = session
        fork = request.name if self._fails(Defect.FORKS) else ""
        refresh_token = f"{session.name}:{session.generation}{fork}"
        return {"session": session.name, "refresh_token": refresh_token, "access_token": access_token}

    def _refresh(self, refresh: Refresh) -> Answer:
        session, generation = self._opened(refresh.token)
        if session.ending == REUSED and generation < session.generation:
            return {"outcome": REUSED}
        if session.ending or self._is_barred(session):
            return {"outcome": REVOKED}
        behind = session.generation - generation
        forgiven = 2 if self.defect is Defect.REPEATS_FOR_EVER else 1
        repeats = session.began.retries and self.defect is not Defect.NEVER_REPEATS
        if behind <= 0:
            session.generation = generation + 1
        elif not (repeats and behind <= forgiven):
            if self.defect is not Defect.FORGIVES_REUSE:
                session.ending = REUSED
                self._log(session.name)
            return {"outcome": REUSED}
        answer = self._tokens(replace(session, generation=generation + 1), refresh)
        self.access_tokens[answer["access_token"]] = session
        if self._fails(Defect.FORGETS_ROTATIONS):
            session.generation = generation
        return answer

    def _opened(self, refresh_token: str) -> tuple[Session, int]:
        name, _, generation = refresh_token.partition(":")
        return self.sessions[name], int(generation.partition("op")[0])

    def _log(self, key: str) -> None:
        self.revision += 1
        self.ended_tokens.setdefault(key, self.revision)

    def _revoke(self, revoke: Revoke) -> Answer:
        if self._fails(Defect.REVOKES_NOTHING):
            return {}
        if revoke.value in self.access_tokens:
            self._log(revoke.value)
        elif revoke.target in (Target.TOKEN, Target.SESSION):
            session = self.sessions[revoke.value.partition(":")[0]]
            if not session.ending:
                session.ending = REVOKED
                self._log(session.name)
        else:
            self.revision += 1
            wide = 3 if self.defect is Defect.BARS_THE_FUTURE else 0
            self.barriers[revoke.target, revoke.value] = self.revision + wide
        return {"revision": self.revision}

    def _is_barred(self, session: Session) -> bool:
        issue = session.began
        places = [
            (Target.SUBJECT, issue.subject),
            (Target.DEVICE, device_value(issue.subject, issue.device)),
            (Target.CLIENT, issue.client),
        ]
        return any(session.seen_revision < self.barriers.get(place, 0) for place in places)

    def _look(self, look: Introspect) -> Answer:
        behind = 8 if self._fails(Defect.LOOKS_BEHIND) else 0
        session = self.access_tokens.get(look.token) or self._opened(look.token)[0]
        ends = [self.ended_tokens.get(key, self.revision + 1) for key in (look.token, session.name)]
        active = min(ends) > self.revision - behind and not self._is_barred(session)
        if look.token not in self.access_tokens:
            active = active and self._opened(look.token)[1] >= session.generation
        return {"active": active, "session": session.name} if active else {"active": False, "revision": 0}


@dataclass
class Clients:
    """Clients that use whatever any of them was told."""

    chance: Random
    issues: list[Issue] = field(default_factory=list)
    refresh_tokens: list[str] = field(default_factory=list)
    access_tokens: list[str] = field(default_factory=list)

    def request(self, name: str, start: int) -> Operation:
        """The next request."""
        chance = self.chance
        common: dict[str, Any] = {"name": name, "node": "", "start": start, "end": start, "outcome": UNKNOWN}
        kind = chance.choices([Issue, Refresh, Introspect, Revoke], [3, 10, 10, 1])[0]
        if kind is Issue or not self.refresh_tokens:
            again = [issue for issue in self.issues[-5:] if issue.key]
            if again and chance.random() < 0.4:
                return replace(chance.choice(again), **common)
            client = chance.choice(["graceful", "strict"])
            whose: dict[str, Any] = {
                "subject": chance.choice("abcd"),
                "device": chance.choice(["d", ""]),
                "client": client,
            }
            key = f"key-{name}" if chance.random() < 0.3 else ""
            issue = Issue(**common, **whose, retries=client == "graceful", key=key)
            self.issues.append(issue)
            return issue
        if kind is Refresh:
            return Refresh(**common, token=chance.choice(self.refresh_tokens[-6:]))
        if kind is Introspect:
            return Introspect(**common, token=chance.choice((self.access_tokens + self.refresh_tokens)[-80:]))
        return Revoke(**common, **self._target())

    def _target(self) -> Answer:
        issue = self.chance.choice(self.issues[-6:])
        refresh_token = self.chance.choice(self.refresh_tokens[-20:])
        values = {
            Target.TOKEN: self.chance.choice([refresh_token, self.chance.choice(self.access_tokens[-20:])]),
            Target.SESSION: refresh_token.partition(":")[0],
            Target.SUBJECT: issue.subject,
            Target.DEVICE: device_value(issue.subject, issue.device),
            Target.CLIENT: issue.client,
        }
        target = self.chance.choices(list(values), [5, 5, 3, 3, 1])[0]
        return {"target": target, "value": values[target]}


def simulate(seed: int, operations: int, defect: Defect = Defect.NONE) -> list[Operation]:
    """The history of `operations` operations of four clients that work at the same time."""
    chance = Random(seed)
    service, clients = Service(chance, defect), Clients(chance)
    history: list[Operation] = []
    order, names = count(), count()
    events: list[tuple[int, int, Callable[[int], None]]] = []

    def at(moment: int, event: Callable[[int], None]) -> None:
        heapq.heappush(events, (moment, next(order), event))

    def begin(now: int) -> None:
        number = next(names)
        if number < operations:
            _play(clients.request(f"op{number}", now), now)

    def _play(request: Operation, now: int) -> None:
        seen, end = service.revision, now + chance.randrange(2, 40)
        answers: list[Answer] = []
        answered = chance.random() > 0.1
        effect = chance.randrange(now, end) if answered else now + chance.randrange(1000)
        if answered or chance.random() < 0.7:
            at(effect, lambda _: answers.append(service.serve(request, seen)))

        def finish(moment: int) -> None:
            told = answers[0] if answered else {}
            record = replace(request, end=moment, **told)
            history.append(record)
            if record.is_ok and isinstance(record, Issue | Refresh):
                clients.refresh_tokens.append(record.refresh_token)
                clients.access_tokens.append(record.access_token)
            at(moment + chance.randrange(1, 10), begin)

        at(end, finish)

    for client in range(4):
        at(client, begin)
    while events:
        moment, _, event = heapq.heappop(events)
        event(moment)
    return history
