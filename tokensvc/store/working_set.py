"""Owns what a batch of units sees and collects: rows loaded once, decisions in order, effects to write together."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tokensvc.domain.client import Client
from tokensvc.domain.effects import AuditEvent, Refused
from tokensvc.domain.keys import StoredKey
from tokensvc.domain.revocation import BARRIERS, Barrier, BarrierKey, LogEntry, barrier_keys
from tokensvc.domain.session import Grant, Session
from tokensvc.domain.used_id import UsedId
from tokensvc.ports import Committed, Owner, Unit

# A barrier that was decided in this batch has no revision yet, but it will be above all that are known.
_PENDING = 2**62


class WorkingSet:
    """The rows of a batch. Two uses of one token in a batch see each other through it."""

    def __init__(
        self,
        sessions: dict[str, Session],
        clients: dict[str, Client],
        barriers: dict[BarrierKey, Barrier],
        keys: Iterable[StoredKey] = (),
        new_ids: Iterable[str] = (),
    ) -> None:
        """`new_ids` are the digests of ids that nobody had used before this batch."""
        self._sessions = sessions
        self._clients = clients
        self._barriers = barriers
        self._keys = {(key.purpose, key.key_id): key for key in keys}
        self._new_ids = set(new_ids)
        self._loaded = frozenset(sessions)
        self._brought: dict[str, Session] = {}
        self._changed: dict[str, Session] = {}
        self._outcomes: list[tuple[Any, int]] = []
        self.log: list[LogEntry] = []
        self.audit: list[AuditEvent] = []
        self.changed_clients: dict[str, Client | None] = {}  # None for one that is deleted
        self.changed_keys: list[StoredKey] = []

    def session(self, session_id: str) -> Session | None:
        """The session as the units before left it, or as this one has brought it along."""
        return self._brought.get(session_id) or self._sessions.get(session_id)

    def sessions_of(self, owner: Owner) -> Sequence[Session]:
        """The sessions of a subject with a client that are not revoked, as the units before left them."""
        return [
            session
            for session in self._sessions.values()
            if (session.grant.subject, session.grant.client_id) == owner and session.revoked_at is None
        ]

    def client(self, client_id: str) -> Client | None:
        """The client as the units before left it."""
        return self._clients.get(client_id)

    def keys(self) -> Sequence[StoredKey]:
        """The keys as the units before left them."""
        return [*self._keys.values()]

    def is_first_use(self, used_id: UsedId) -> bool:
        """Whether nobody has used it before, no unit of this batch either."""
        if used_id.digest not in self._new_ids:
            return False
        self._new_ids.remove(used_id.digest)
        return True

    def barred(self, grant: Grant) -> bool:
        """Whether a barrier ends `grant`, one of this batch included."""
        return bool(self._barriers) and any(
            barrier.covers(grant.started_at, grant.started_revision)
            for key in barrier_keys(grant.subject, grant.client_id, grant.device_id)
            if (barrier := self._barriers.get(key)) is not None
        )

    def run(self, units: Sequence[Unit[Any]]) -> None:
        """Decide all `units` in their order."""
        for unit in units:
            self._brought = {unit.brought.grant.session_id: unit.brought} if unit.brought else {}
            effects = unit.decide(self)
            if effects.session is not None:
                self._change(effects.session)
            for session in effects.ended:
                self._change(session)
            if effects.client is not None:
                client_id = effects.client.client_id
                self._clients[client_id] = self.changed_clients[client_id] = effects.client
            if effects.deleted_client:
                self._clients.pop(effects.deleted_client, None)
                self.changed_clients[effects.deleted_client] = None
            if effects.keys:
                self._keys |= {(key.purpose, key.key_id): key for key in effects.keys}
                self.changed_keys += effects.keys
            for entry in effects.log:
                if entry.kind in BARRIERS:
                    key = (entry.kind, entry.key)
                    barrier = self._barriers.get(key, Barrier())
                    self._barriers[key] = barrier.raised_by(replace(entry, revision=_PENDING))
            self.log += effects.log
            self.audit += effects.audit
            outcome = effects.outcome
            if isinstance(outcome, Refused) and effects.audit:
                outcome = replace(outcome, is_recorded=True)
            self._outcomes.append((outcome, len(self.log) if effects.log else 0))

    def _change(self, session: Session) -> None:
        if not session.is_stateless:
            session_id = session.grant.session_id
            self._sessions[session_id] = self._changed[session_id] = session

    def tell_meanwhile(self, units: Sequence[Unit[Any]]) -> None:
        """Tell `units`, which have been run, what is being written. What one raises concerns that unit alone."""
        for unit, (outcome, _) in zip(units, self._outcomes, strict=True):
            if unit.meanwhile is not None:
                with contextlib.suppress(Exception):  # it is raised again where the answer is asked for
                    unit.meanwhile(outcome)

    @property
    def has_changes(self) -> bool:
        """Whether anything is to be written."""
        return any((self._changed, self.log, self.audit, self.changed_clients, self.changed_keys))

    @property
    def new_sessions(self) -> list[Session]:
        """Sessions that were not among the loaded rows."""
        return [session for session_id, session in self._changed.items() if session_id not in self._loaded]

    @property
    def changed_sessions(self) -> list[Session]:
        """Loaded sessions that a unit has changed, in the order of their ids."""
        return [self._changed[session_id] for session_id in sorted(self._changed.keys() & self._loaded)]

    def numbered_log(self, head: int) -> list[LogEntry]:
        """The entries at their places behind revision `head`."""
        return [entry.with_revision(head + place) for place, entry in enumerate(self.log, 1)]

    def committed(self, head: int) -> list[Committed[Any]]:
        """The outcomes, where `head` was the log's revision before this batch."""
        return [Committed(outcome, head + place if place else 0) for outcome, place in self._outcomes]
