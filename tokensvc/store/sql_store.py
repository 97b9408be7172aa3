"""Owns the store over an SQL database."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from tokensvc.domain.audit_verdict import AuditHead, AuditVerdict
from tokensvc.domain.errors import RefusedError
from tokensvc.domain.keys import StoredKey
from tokensvc.domain.revocation import LogEntry
from tokensvc.domain.session import Session
from tokensvc.domain.view import View
from tokensvc.ports import AuditPage, AuditQuery, Clock, Committed, SessionFilter, SessionRow, Unit
from tokensvc.store.at_once import AtOnce, LastStatement
from tokensvc.store.audit_chain import AuditWriter
from tokensvc.store.audit_check import AuditCheck
from tokensvc.store.audit_reading import read_events, read_numbers
from tokensvc.store.database import Database
from tokensvc.store.follower import Follower
from tokensvc.store.group_commit import GroupCommit
from tokensvc.store.key_rows import lock_keys, read_keys, write_keys
from tokensvc.store.leases import Leases
from tokensvc.store.log_reader import read_entries
from tokensvc.store.pruning import prune
from tokensvc.store.replica import Replica
from tokensvc.store.session_reader import Found, SessionReader
from tokensvc.store.statements import Batch, touch
from tokensvc.store.working_set import WorkingSet

T = TypeVar("T")


class SqlStore:
    """Implements `ports.Store`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        linger: float,
        replica: Database | None = None,
        audit_addresses: bool = True,
    ) -> None:
        """`linger` is in seconds; without `audit_addresses` no event keeps where somebody was."""
        self._database = database
        self.replica = Replica(replica, clock) if replica else None
        self._sessions = SessionReader(database.dialect)
        self._audit = AuditWriter(database.dialect, addresses=audit_addresses)
        self._batch = Batch(database.dialect, self._sessions, self._audit)
        self._at_once = AtOnce(database.dialect, self._audit)
        self._follower = Follower(database, clock, linger=linger)
        self._leases = Leases(database)
        self._commits = GroupCommit(self._transact, linger=linger)
        self._writing_failed = False

    @property
    def counts(self) -> Mapping[str, int]:
        """What group commit and the following of the log have done since they began."""
        return asdict(self._commits.counts) | asdict(self._follower.counts)

    async def commit(self, unit: Unit[T]) -> Committed[T]:
        """As the port says."""
        return await self._commits.commit(unit)

    async def view(self, *, min_revision: int = 0, max_staleness: int = 0) -> View:
        """As the port says; where staleness is permitted, from the replica if it can.

        Sessions are read from the database itself alone: a row says nothing of its age, and one that is behind would
        bring consumed refresh tokens back.
        """
        view = None
        if self.replica and max_staleness:
            view = self._follower.recent(min_revision=min_revision, max_staleness=max_staleness)
            view = view or await self.replica.view(min_revision=min_revision, max_staleness=max_staleness)
            if view and self._follower.told_keys not in (None, view.keys):
                view = None  # of other keys than those in use nothing can be said
        return view or await self._follower.view(min_revision=min_revision, max_staleness=max_staleness)

    async def log_entries(self, after: int, until: int, now: int, limit: int) -> Sequence[LogEntry]:
        """As the port says."""
        return await self._database.read(lambda connection: read_entries(connection, after, until, now, limit))

    async def sessions_by_id(self, session_ids: Collection[str]) -> Mapping[str, SessionRow]:
        """As the port says."""
        found = await self._database.read(lambda connection: self._sessions.read(connection, session_ids))
        return {row.session.grant.session_id: row for row in _rows(found.sessions.values(), found)}

    async def brought(self, sessions: Sequence[Session]) -> Sequence[SessionRow]:
        """As the port says."""
        found = await self._database.read(lambda connection: self._sessions.brought(connection, sessions))
        return _rows(sessions, found)

    async def sessions(self, wanted: SessionFilter) -> Sequence[SessionRow]:
        """As the port says."""
        found = await self._database.read(lambda connection: self._sessions.listed(connection, wanted))
        return _rows(found.sessions.values(), found)

    async def audit_events(self, wanted: AuditQuery) -> AuditPage:
        """As the port says."""
        return await self._database.read(lambda connection: read_events(connection, wanted))

    async def audit_numbers(self, after: int, limit: int) -> Sequence[int]:
        """As the port says."""
        return await self._database.read(lambda connection: read_numbers(connection, after, limit))

    async def verify_audit(self, expected: Sequence[AuditHead], audit_before: int) -> AuditVerdict:
        """Follow every chain of audit events from its beginning to its end; see `store.audit_check`."""
        return await AuditCheck(self._database, expected, audit_before).run()

    async def keys(self) -> Sequence[StoredKey]:
        """As the port says."""
        return await self._database.read(read_keys)

    def watch_keys(self, tell: Callable[[Sequence[StoredKey]], Awaitable[None]]) -> None:
        """As the port says."""
        self._follower.watch_keys(tell)

    async def add_first_keys(self, keys: Sequence[StoredKey]) -> None:
        """As the port says."""

        def work(connection: Connection) -> None:
            present = {key.purpose for key in lock_keys(connection)}
            write_keys(connection, [key for key in keys if key.purpose not in present])

        await self._database.write(work)

    async def prune(self, now: int, limit: int, audit_before: int = 0) -> Counter[str]:
        """As the port says."""
        return await prune(self._database, now, limit, audit_before)

    async def hold_lease(self, name: str, holder: str, now: int, span: int) -> bool:
        """As the port says."""
        return await self._leases.hold(name, holder, now, span)

    async def release_lease(self, name: str, holder: str) -> None:
        """As the port says."""
        await self._leases.release(name, holder)

    async def check(self) -> None:
        """As the port says."""
        await self._follower.view(min_revision=0, max_staleness=0)
        if self._writing_failed:
            await self._write(touch)

    async def close(self) -> None:
        """As the port says."""
        await self._commits.drain()
        if self.replica:
            await self.replica.close()
        await self._database.close()

    async def _transact(self, units: Sequence[Unit[Any]]) -> Sequence[Committed[Any]]:
        at_once = partial(self._at_once.decide, units=units) if self._at_once.takes(units) else None
        committed = await self._write(lambda connection: self._batch.run(connection, units), at_once)
        self._audit.has_committed()
        return committed

    async def _write(
        self,
        work: Callable[[Connection], T],
        at_once: Callable[[Connection], LastStatement[T] | None] | None = None,
    ) -> T:
        try:
            written = await self._database.write(work, at_once)
        except RefusedError:
            self._writing_failed = True
            raise
        self._writing_failed = False
        return written


def _rows(sessions: Iterable[Session], found: Found) -> list[SessionRow]:
    """Each of `sessions` with what the barriers that were `found` say of it."""
    rows = WorkingSet({}, {}, found.barriers)
    return [SessionRow(session, rows.barred(session.grant)) for session in sessions]
