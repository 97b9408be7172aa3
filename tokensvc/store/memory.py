"""Owns the store in memory: the same semantics without a database, for tests and for reading."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from tokensvc.domain.client import Client
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.keys import StoredKey
from tokensvc.domain.revocation import BARRIERS, Barrier, BarrierKey, LogEntry
from tokensvc.domain.session import Session
from tokensvc.domain.view import GRACE, View
from tokensvc.ports import AuditPage, AuditQuery, Committed, SessionFilter, SessionRow, Unit
from tokensvc.store.audit_memory import MemoryTrail
from tokensvc.store.group_commit import GroupCommit
from tokensvc.store.working_set import WorkingSet

T = TypeVar("T")


class MemoryStore:
    """Implements `ports.Store`; everything is gone with the process."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._clients: dict[str, Client] = {}
        self._barriers: dict[BarrierKey, Barrier] = {}
        self._leases: dict[str, tuple[str, int]] = {}
        self._used_ids: dict[str, int] = {}  # until when each is kept, by digest
        self._view = View()
        self._log: list[LogEntry] = []
        self._tell_keys: Callable[[Sequence[StoredKey]], Awaitable[None]] | None = None
        self._told_keys: Sequence[StoredKey] | None = None
        self._audit = MemoryTrail()
        self._commits = GroupCommit(self._transact, linger=0)

    async def commit(self, unit: Unit[T]) -> Committed[T]:
        """As the port says."""
        return await self._commits.commit(unit)

    async def view(self, *, min_revision: int = 0, max_staleness: int = 0) -> View:  # noqa: ARG002 - never stale
        """As the port says."""
        keys = self._view.keys
        if self._tell_keys and keys is not self._told_keys:
            await self._tell_keys(keys)
            self._told_keys = keys
        if self._view.revision < min_revision:
            raise RefusedError(Reason.STORE_UNAVAILABLE, "the log has not reached min_revision")
        return self._view

    async def log_entries(self, after: int, until: int, now: int, limit: int) -> Sequence[LogEntry]:
        """As the port says."""
        begin, end = (bisect_right(self._log, revision, key=_revision) for revision in (after, until))
        needed = (entry for entry in islice(self._log, begin, end) if entry.expires_at >= now - GRACE)
        return list(islice(needed, limit))

    async def sessions_by_id(self, session_ids: Collection[str]) -> Mapping[str, SessionRow]:
        """As the port says."""
        found = (self._sessions.get(session_id) for session_id in session_ids)
        return {session.grant.session_id: self._row(session) for session in found if session}

    async def brought(self, sessions: Sequence[Session]) -> Sequence[SessionRow]:
        """As the port says."""
        return [self._row(session) for session in sessions]

    async def sessions(self, wanted: SessionFilter) -> Sequence[SessionRow]:
        """As the port says."""
        found = [session for session in self._sessions.values() if _matches(session, wanted)]
        found.sort(key=_place, reverse=True)
        return [self._row(session) for session in found[: wanted.limit]]

    async def audit_events(self, wanted: AuditQuery) -> AuditPage:
        """As the port says."""
        return self._audit.events(wanted)

    async def audit_numbers(self, after: int, limit: int) -> Sequence[int]:
        """As the port says."""
        return self._audit.numbers(after, limit)

    async def keys(self) -> Sequence[StoredKey]:
        """As the port says."""
        return list(self._view.keys)

    def watch_keys(self, tell: Callable[[Sequence[StoredKey]], Awaitable[None]]) -> None:
        """As the port says."""
        self._tell_keys = tell

    async def add_first_keys(self, keys: Sequence[StoredKey]) -> None:
        """As the port says."""
        present = {key.purpose for key in self._view.keys}
        self._view.keys = [*self._view.keys, *(key for key in keys if key.purpose not in present)]

    async def prune(self, now: int, limit: int, audit_before: int = 0) -> Counter[str]:
        """As the port says; of barriers there is no more than the view holds."""
        grants = [session.grant for session in self._sessions.values() if session.grant.expires_at < now - GRACE]
        grants = sorted(grants, key=lambda grant: grant.expires_at)[:limit]
        for grant in grants:
            del self._sessions[grant.session_id]
        gone = [digest for digest, expires_at in self._used_ids.items() if expires_at < now - GRACE][:limit]
        for digest in gone:
            del self._used_ids[digest]
        expired = {entry.revision for entry in self._log if entry.expires_at < now - GRACE}
        expired = set(sorted(expired)[:limit])
        self._log = [entry for entry in self._log if entry.revision not in expired]
        audit_events = self._audit.prune(audit_before, limit)
        return +Counter(
            sessions=len(grants), used_ids=len(gone), revocation_log=len(expired), audit_events=audit_events
        )

    async def hold_lease(self, name: str, holder: str, now: int, span: int) -> bool:
        """As the port says."""
        held_by, expires_at = self._leases.get(name, (holder, 0))
        if held_by != holder and expires_at > now:
            return False
        self._leases[name] = (holder, now + span)
        return True

    async def release_lease(self, name: str, holder: str) -> None:
        """As the port says."""
        if self._leases.get(name, ("", 0))[0] == holder:
            del self._leases[name]

    async def check(self) -> None:
        """As the port says: it is always there."""

    async def close(self) -> None:
        """As the port says."""
        await self._commits.drain()

    def _row(self, session: Session) -> SessionRow:
        return SessionRow(session, WorkingSet({}, {}, self._barriers).barred(session.grant))

    async def _transact(self, units: Sequence[Unit[Any]]) -> Sequence[Committed[Any]]:
        # As in a database, a decision sees the rows that its batch has asked for.
        sessions = {
            unit.session_id: self._sessions[unit.session_id] for unit in units if unit.session_id in self._sessions
        }
        clients = {unit.client_id: self._clients[unit.client_id] for unit in units if unit.client_id in self._clients}
        owners = {unit.owner for unit in units}
        sessions |= {
            session_id: session
            for session_id, session in self._sessions.items()
            if (session.grant.subject, session.grant.client_id) in owners
        }
        used = {unit.used_id.digest: unit.used_id.expires_at for unit in units if unit.used_id}
        rows = WorkingSet(sessions, clients, dict(self._barriers), self._view.keys, used.keys() - self._used_ids.keys())
        rows.run(units)  # may raise: nothing has been touched yet
        self._used_ids |= {digest: used[digest] for digest in used.keys() - self._used_ids.keys()}
        self._audit.append(rows.audit)
        head = self._view.revision
        for session in (*rows.new_sessions, *rows.changed_sessions):
            self._sessions[session.grant.session_id] = session
        now: dict[str, Client | None] = {**self._clients, **rows.changed_clients}
        self._clients = {client_id: client for client_id, client in now.items() if client is not None}
        self._view.clients = dict(self._clients)
        if rows.changed_keys:
            self._view.keys = list(rows.keys())
        for entry in rows.numbered_log(head):
            self._view.apply(entry)
            self._log.append(entry)
            if entry.kind in BARRIERS:
                key = (entry.kind, entry.key)
                self._barriers[key] = self._barriers.get(key, Barrier()).raised_by(entry)
        return rows.committed(head)


def _revision(entry: LogEntry) -> int:
    return entry.revision


def _place(session: Session) -> tuple[int, str]:
    return session.grant.started_at, session.grant.session_id


def _matches(session: Session, wanted: SessionFilter) -> bool:
    grant = session.grant
    return (
        wanted.subject in ("", grant.subject)
        and wanted.client_id in ("", grant.client_id)
        and wanted.device_id in ("", grant.device_id)
        and (wanted.of_clients is None or grant.client_id in wanted.of_clients)
        and (wanted.before is None or _place(session) < wanted.before)
    )
